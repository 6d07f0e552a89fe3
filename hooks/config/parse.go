package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Parse reads the YAML text of a configuration; name is its file or variable,
// for errors. It looks at nothing but the text: whether scripts exist is for
// Load. The error is an *Errors.
func Parse(name string, text []byte) (*Config, error) {
	d := &decoder{file: name}
	c := &Config{Hooks: map[string]*Hook{}, Source: name, text: text}
	if root := d.document(text); root != nil {
		d.config(value{node: root}, c)
	}
	if err := d.err(); err != nil {
		return nil, err
	}
	addBuiltin(c.Hooks)
	c.Warnings = hints(c)
	return c, nil
}

// decoder walks the YAML nodes itself, because only they know their lines.
type decoder struct {
	problems
	file string
}

// document parses the one document of a text; nil where it is empty or broken.
func (d *decoder) document(text []byte) *yaml.Node {
	if len(text) > maxSize {
		d.add(Problem{Pos: Position{File: d.file}, Msg: fmt.Sprintf("larger than %d bytes", maxSize)})
		return nil
	}
	if line := badByte(text); line > 0 {
		d.add(Problem{Pos: Position{d.file, line}, Msg: "not UTF-8 text, or a control character in it"})
		return nil
	}
	decode := yaml.NewDecoder(bytes.NewReader(text)).Decode
	var doc, second yaml.Node
	if err := decode(&doc); errors.Is(err, io.EOF) {
		return nil
	} else if err != nil {
		d.add(syntaxProblem(d.file, text, err))
		return nil
	}
	if err := decode(&second); err == nil {
		d.add(Problem{Pos: Position{d.file, second.Line}, Msg: "a second YAML document begins here; the hooks must be in one"})
		return nil
	} else if !errors.Is(err, io.EOF) {
		d.add(syntaxProblem(d.file, text, err))
		return nil
	}
	root := doc.Content[0]
	if !d.bounded(root) {
		return nil
	}
	return root
}

// badByte is the line of the first byte that YAML text cannot hold, or 0.
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
