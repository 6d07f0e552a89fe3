package config

import (
	"bytes"
	"sort"
	"strconv"
	"strings"
)

// maxSearch bounds the text in which failingLine searches, in bytes: it parses the text
// about twenty times.
const maxSearch = 64 << 10

// syntaxProblem returns the error of the YAML parser as a problem with the failing line.
func syntaxProblem(file string, text []byte, err error) Problem {
	line, msg := splitLine(err.Error())
	// For some errors the parser names the start of the mapping or list, or no line at
	// all. A person looks for the first line that makes it fail.
	if vague := line == 0 || strings.HasPrefix(msg, "did not find expected"); vague && len(text) <= maxSearch {
		line = failingLine(text, msg)
	}
	switch {
	case indentedByTab(text, line):
		msg = "a tab in the indentation; YAML takes only spaces"
	case strings.HasPrefix(msg, "did not find expected '-'"), strings.HasPrefix(msg, "did not find expected key"):
		msg = "this line does not continue the lines above it: look at its indentation, and at the quotes and brackets above"
	case strings.HasPrefix(msg, "mapping values are not allowed"):
		msg = "a second \": \" in a line, or a line that is indented too far; quote a text that contains \": \""
	case strings.HasPrefix(msg, "unknown anchor"): // the anchor may be a secret without quotes
		msg = "an alias, which begins with *, without its anchor; quotes make a text"
	}
	return Problem{Pos: Position{file, line}, Msg: "not valid YAML: " + msg}
}

// splitLine splits "yaml: line N: MESSAGE". line is 0 if the text names none.
func splitLine(text string) (line int, msg string) {
	msg = strings.TrimPrefix(text, "yaml: ")
	number, rest, found := strings.Cut(strings.TrimPrefix(msg, "line "), ": ")
	if line, err := strconv.Atoi(number); found && err == nil && strings.HasPrefix(msg, "line ") {
		return line, rest
	}
	return 0, msg
}

// failingLine returns the first line with which the text fails with this message. Every
// longer part of the text fails in the same way, so a binary search finds the line.
func failingLine(text []byte, msg string) int {
	lines := bytes.SplitAfter(text, []byte("\n"))
	ends := make([]int, len(lines))
	end := 0
	for i, line := range lines {
		end += len(line)
		ends[i] = end
	}
	first := sort.Search(len(lines)-1, func(i int) bool {
		_, err := documents(text[:ends[i]])
		if err == nil {
			return false
		}
		_, found := splitLine(err.Error())
		return found == msg
	})
	return first + 1
}

func indentedByTab(text []byte, line int) bool {
	lines := bytes.SplitN(text, []byte("\n"), line+1)
	if line < 1 || line > len(lines) {
		return false
	}
	body := lines[line-1]
	indent := body[:len(body)-len(bytes.TrimLeft(body, " \t"))]
	return bytes.ContainsRune(indent, '\t')
}
