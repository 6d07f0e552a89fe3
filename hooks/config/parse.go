package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Parse parses the YAML text of a configuration. name is that of its file or variable,
// for errors. environ has the variables for ${NAME}. Parse looks at the text only: Load
// finds out whether scripts exist. The error is an *Errors.
func Parse(name string, text []byte, environ []string) (*Config, error) {
	c, err := parse(name, text, environ)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// parse is Parse, but with an error it returns what could be read.
func parse(name string, text []byte, environ []string) (*Config, error) {
	d := &decoder{file: name, environ: environ, first: map[string]claim{}}
	c := &Config{Hooks: map[string]*Hook{}, Source: name, text: text, source: Source{Environ: environ}}
	if root := d.document(text); root != nil {
		d.config(value{node: root}, c)
	} else if d.found() == 0 {
		d.add(Problem{Pos: Position{File: name}, Msg: "empty; " + noHooks})
	}
	addBuiltin(c.Hooks)
	if err := d.problems.err(); err != nil {
		for _, h := range c.Hooks {
			h.Steps = slices.DeleteFunc(h.Steps, func(s *Step) bool { return s.Action == nil })
		}
		return c, err
	}
	c.Warnings = hints(c)
	return c, nil
}

// decoder reads YAML nodes instead of decoding into types, because only nodes know their
// lines.
type decoder struct {
	problems problems
	file     string
	// first holds the first claim of each path and marker, of all hooks.
	first map[string]claim
	// said holds the texts that one problem has and further ones need not repeat.
	said map[string]bool

	environ []string
	lookup  func(string) (string, bool) // made for the first ${...}
	grown   int                         // bytes of all values with replaced variables
}

func (d *decoder) add(p Problem) { d.problems.add(p) }

// found counts the problems that were added.
func (d *decoder) found() int { return d.problems.found() }

// document parses the only document of a text. It returns nil if that is empty or
// broken.
func (d *decoder) document(text []byte) *yaml.Node {
	if len(text) > maxSize {
		d.add(Problem{Pos: Position{File: d.file}, Msg: fmt.Sprintf("larger than %d bytes", maxSize)})
		return nil
	}
	if line := badByte(text); line > 0 {
		d.add(Problem{Pos: Position{d.file, line}, Msg: "not UTF-8 text, or a control character in it"})
		return nil
	}
	docs, err := documents(text)
	switch {
	case err != nil:
		d.add(syntaxProblem(d.file, text, err))
	case len(docs) > 1:
		d.add(Problem{Pos: Position{d.file, docs[1].Line}, Msg: "a second YAML document begins here; the hooks must be in one"})
	case len(docs) == 1 && d.bounded(docs[0].Content[0]):
		return docs[0].Content[0]
	}
	return nil
}

// documents returns the first two YAML documents of a text.
func documents(text []byte) ([]*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var docs []*yaml.Node
	for len(docs) < 2 {
		doc := &yaml.Node{}
		if err := decoder.Decode(doc); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		docs = append(docs, doc)
	}
	return docs, nil
}

// badByte returns the line of the first byte that is not allowed in YAML, or 0.
func badByte(text []byte) int {
	line := 1
	for rest := text; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		if r == utf8.RuneError && size == 1 || r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0x7f {
			return line
		}
		if r == '\n' {
			line++
		}
		rest = rest[size:]
	}
	return 0
}
