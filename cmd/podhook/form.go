package main

import (
	"encoding/json"
	"flag"
	"io"
)

// tableOrJSON is noWords with -o for the form of what is printed.
func tableOrJSON(fs *flag.FlagSet, args []string) (asJSON bool, err error) {
	words, asJSON, err := wordsAndForm(fs, args)
	if err == nil && len(words) > 0 {
		err = usagef("%s: %q is one word too many", fs.Name(), words[0])
	}
	return asJSON, err
}

// wordsAndForm is parse with -o.
func wordsAndForm(fs *flag.FlagSet, args []string) (words []string, asJSON bool, err error) {
	form := fs.String("o", "table", "")
	words, err = parse(fs, args)
	if err == nil && *form != "table" && *form != "json" {
		err = usagef("%s: -o: %q: allowed are table and json", fs.Name(), *form)
	}
	return words, *form == "json", err
}

func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}
