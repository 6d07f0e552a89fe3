package main

import (
	"fmt"
	"strings"
)

// option is one option of getopt_long(3). Set gets "" where the option takes no value. Its
// error ends the reading.
type option struct {
	letter     byte
	long       string
	takesValue bool
	set        func(value string) error
}

// getopt reads a command line as getopt_long(3) does, and returns what is not an option.
// With permute, options may also follow the first such word, up to a --.
func getopt(args []string, permute bool, options []option) (words []string, err error) {
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		switch {
		case arg == "--":
			return append(words, args...), nil
		case len(arg) < 2 || arg[0] != '-':
			words = append(words, arg)
			if !permute {
				return append(words, args...), nil
			}
		case arg[1] == '-' && options[0].long != "":
			args, err = longOption(arg, args, options)
		default:
			args, err = shortOptions(arg[1:], args, options)
		}
		if err != nil {
			return nil, err
		}
	}
	return words, nil
}

// shortOptions reads a word such as -vg or -pTERM.
func shortOptions(letters string, args []string, options []option) ([]string, error) {
	for letters != "" {
		var found *option
		for i := range options {
			if options[i].letter == letters[0] {
				found = &options[i]
			}
		}
		name, value := letters[:1], ""
		letters = letters[1:]
		switch {
		case found == nil:
			return nil, fmt.Errorf("invalid option -- '%s'", name)
		case found.takesValue && letters != "":
			value, letters = letters, ""
		case found.takesValue && len(args) == 0:
			return nil, fmt.Errorf("option requires an argument -- '%s'", name)
		case found.takesValue:
			value, args = args[0], args[1:]
		}
		if err := found.set(value); err != nil {
			return nil, err
		}
	}
	return args, nil
}

// longOption reads a word such as --rewrite=15:3. A beginning that only one option has
// stands for it.
func longOption(word string, args []string, options []option) ([]string, error) {
	name, value, hasValue := strings.Cut(word[len("--"):], "=")
	var found *option
	matches := 0
	for i := range options {
		if o := &options[i]; o.long == name {
			found, matches = o, 1
			break
		} else if strings.HasPrefix(o.long, name) {
			found = o
			matches++
		}
	}
	switch {
	case matches == 0:
		return nil, fmt.Errorf("unrecognized option '%s'", word)
	case matches > 1:
		return nil, fmt.Errorf("option '%s' is ambiguous", word)
	case hasValue && !found.takesValue:
		return nil, fmt.Errorf("option '--%s' doesn't allow an argument", found.long)
	case found.takesValue && !hasValue && len(args) == 0:
		return nil, fmt.Errorf("option '--%s' requires an argument", found.long)
	case found.takesValue && !hasValue:
		value, args = args[0], args[1:]
	}
	return args, found.set(value)
}
