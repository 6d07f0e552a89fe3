package inject

import (
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// source is a text of YAML and where its lines begin.
type source struct {
	text  string
	lines []int
}

func newSource(text string) *source {
	s := &source{text: text, lines: []int{0}}
	for i := range len(text) {
		if text[i] == '\n' {
			s.lines = append(s.lines, i+1)
		}
	}
	return s
}

// offset returns where a node begins. A column counts characters, not bytes.
func (s *source) offset(n *yaml.Node) int {
	at := s.lines[n.Line-1]
	for range n.Column - 1 {
		_, size := utf8.DecodeRuneInString(s.text[at:])
		at += size
	}
	return at
}

// lineEnd returns the end of the line of an offset, before its newline.
func (s *source) lineEnd(at int) int {
	if i := strings.IndexByte(s.text[at:], '\n'); i >= 0 {
		return at + i
	}
	return len(s.text)
}

// end returns where the text of a node ends. What is indented by more than outer columns
// belongs to it.
func (s *source) end(n *yaml.Node, outer int) int {
	at := s.offset(n)
	switch {
	case n.Kind == yaml.AliasNode:
		return at + len("*") + len(n.Value)
	case isFlow(n) || n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
		return s.closed(s.afterProperties(at))
	case n.Kind == yaml.MappingNode:
		last := len(n.Content) - 2
		return s.valueEnd(n.Content[last], n.Content[last+1], n.Column-1)
	case n.Kind == yaml.SequenceNode:
		last := n.Content[len(n.Content)-1]
		if isEmpty(last) {
			return s.offset(last)
		}
		return s.end(last, n.Column-1)
	}
	return s.continued(at, outer)
}

// valueEnd is end for the value of a key, which may be missing.
func (s *source) valueEnd(key, value *yaml.Node, indent int) int {
	if isEmpty(value) {
		return s.afterColon(key)
	}
	return s.end(value, indent)
}

// afterColon returns the offset after the colon of a key.
func (s *source) afterColon(key *yaml.Node) int {
	at := s.offset(key)
	if key.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
		at = s.closed(at)
	} else {
		at += len(key.Value)
	}
	return at + strings.IndexByte(s.text[at:], ':') + 1
}

// continued returns the end of a scalar without quotes, whose further lines are indented
// by more than outer columns. Comments that are indented so count as its lines.
func (s *source) continued(at, outer int) int {
	end := s.lineEnd(at)
	for next := end + 1; next < len(s.text); {
		stop := s.lineEnd(next)
		line := s.text[next:stop]
		body := strings.TrimLeft(line, " ")
		if body != "" && len(line)-len(body) <= outer {
			break
		}
		if strings.TrimSpace(body) != "" {
			end = stop
		}
		next = stop + 1
	}
	return end
}

// afterProperties skips an anchor and a tag before a value.
func (s *source) afterProperties(at int) int {
	for s.text[at] == '&' || s.text[at] == '!' {
		at += strings.IndexAny(s.text[at:], " \n")
		at += len(s.text[at:]) - len(strings.TrimLeft(s.text[at:], " \n"))
	}
	return at
}

// closed returns the offset after the quote or the bracket that closes the one at the
// offset.
func (s *source) closed(at int) int {
	depth, token := 0, true // token: a quote here would open a text
	for at < len(s.text) {
		c := s.text[at]
		switch {
		case token && (c == '"' || c == '\''):
			at = s.unquoted(at)
			if depth == 0 {
				return at
			}
			token = false
			continue
		case c == '#' && at > 0 && strings.IndexByte(" \t\n", s.text[at-1]) >= 0:
			at = s.lineEnd(at)
			continue
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			if depth--; depth == 0 {
				return at + 1
			}
		}
		token = strings.IndexByte("[{,: \t\n", c) >= 0
		at++
	}
	return at
}

// unquoted returns the offset after a text in quotes.
func (s *source) unquoted(at int) int {
	quote := s.text[at]
	for at++; at < len(s.text); at++ {
		switch {
		case s.text[at] == '\\' && quote == '"':
			at++
		case s.text[at] == quote && quote == '\'' && strings.HasPrefix(s.text[at+1:], "'"):
			at++
		case s.text[at] == quote:
			return at + 1
		}
	}
	return at
}

func isFlow(n *yaml.Node) bool { return n.Style&yaml.FlowStyle != 0 }

// isEmpty reports whether a value is left out, as in "env:".
func isEmpty(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Tag == "!!null" && n.Value == ""
}
