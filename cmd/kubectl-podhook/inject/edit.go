package inject

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// editor collects changes to a text. What it adds is written as block YAML, and is put on
// one line where the text around it is.
type editor struct {
	*source
	edits []edit
	// filled are the flow collections that have members by now.
	filled map[*yaml.Node]bool
	json   bool // texts need quotes
	// listIndent is how much this manifest indents a list below its key.
	listIndent string
}

// edit replaces a part of the text. Of two at the same place, the deeper one comes first.
type edit struct {
	from, to, depth int
	text            string
}

// fieldOf returns a key and its value, nil if the mapping does not have it.
func fieldOf(mapping *yaml.Node, name string) (key, value *yaml.Node) {
	for i := 0; mapping != nil && i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == name {
			return mapping.Content[i], mapping.Content[i+1]
		}
	}
	return nil, nil
}

// shared returns an error if a change of the node would change, or hide, what stands
// elsewhere.
func shared(n *yaml.Node) error {
	merge, _ := fieldOf(n, "<<")
	if n.Kind == yaml.MappingNode && merge != nil {
		n = merge
	} else if n.Kind != yaml.AliasNode && n.Anchor == "" {
		return nil
	}
	return &lineError{n.Line, "podhook cannot be added to an anchor (&), an alias (*) or a merge (<<), which other places share: write it out here"}
}

// set replaces or adds a key of a mapping. text is "key: value" without indentation.
func (e *editor) set(mapping *yaml.Node, depth int, text string) error {
	if err := shared(mapping); err != nil {
		return err
	}
	name, _, _ := strings.Cut(text, ":")
	return e.change(mapping, name, depth, text)
}

// change is set with another key in the place of name.
func (e *editor) change(mapping *yaml.Node, name string, depth int, text string) error {
	key, value := fieldOf(mapping, name)
	switch {
	case isFlow(mapping) && key == nil:
		return e.addFlow(mapping, depth, text)
	case isFlow(mapping):
		inner, err := e.flowOf(text)
		to := e.offset(value) + len(value.Value)
		if value.Kind != yaml.ScalarNode {
			to = e.end(value, 0)
		}
		e.replace(e.offset(key), to, depth, inner)
		return err
	case key == nil:
		e.addLines(e.end(mapping, mapping.Column-1), depth, indented(text, mapping.Column-1))
	default:
		to := e.lineEnd(e.valueEnd(key, value, mapping.Column-1))
		e.replace(e.offset(key), to, depth, strings.TrimLeft(indented(text, mapping.Column-1), " "))
	}
	return nil
}

// append adds an item to the list of a key, and the list if there is none. item is
// "- ..." without indentation.
func (e *editor) append(mapping *yaml.Node, name string, depth int, items ...string) error {
	if len(items) == 0 {
		return nil
	}
	text := strings.Join(items, "\n")
	_, list := fieldOf(mapping, name)
	if list == nil || list.Tag == "!!null" {
		return e.set(mapping, depth, name+":\n"+indented(text, len(e.listIndent)))
	}
	if err := shared(list); err != nil {
		return err
	}
	if !isFlow(list) {
		e.addLines(e.end(list, list.Column-1), depth+1, indented(text, list.Column-1))
		return nil
	}
	for _, item := range items {
		if err := e.addFlow(list, depth+1, item); err != nil {
			return err
		}
	}
	return nil
}

// addLines adds lines after the line of an offset.
func (e *editor) addLines(after, depth int, text string) {
	at := e.lineEnd(after)
	e.replace(at, at, depth, "\n"+text)
}

// addFlow adds a member to a collection in brackets.
func (e *editor) addFlow(to *yaml.Node, depth int, text string) error {
	text, err := e.flowOf(text)
	if err != nil {
		return err
	}
	bracket := e.end(to, 0) - 1
	at := len(strings.TrimRight(e.text[:bracket], " \t\n"))
	if line := e.text[strings.LastIndexByte(e.text[:at], '\n')+1 : at]; strings.Contains(line, "#") {
		at = bracket // what ends there may be a comment
	}
	if (len(to.Content) > 0 || e.filled[to]) && !strings.HasSuffix(e.text[:at], ",") {
		text = ", " + text
	}
	e.filled[to] = true
	e.replace(at, at, depth, text)
	return nil
}

func (e *editor) replace(from, to, depth int, text string) {
	e.edits = append(e.edits, edit{from, to, depth, text})
}

// result is the text with all changes.
func (e *editor) result() string {
	slices.SortStableFunc(e.edits, func(a, b edit) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(b.depth, a.depth))
	})
	var out strings.Builder
	at := 0
	for _, change := range e.edits {
		out.WriteString(e.text[at:change.from])
		out.WriteString(change.text)
		at = change.to
	}
	out.WriteString(e.text[at:])
	return out.String()
}

// indented puts blanks before each line that is not empty.
func indented(text string, columns int) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) != "" {
			out.WriteString(strings.Repeat(" ", columns))
		}
		out.WriteString(line)
	}
	return out.String()
}

// flowOf writes a "key: value" or a "- item" on one line.
func (e *editor) flowOf(text string) (string, error) {
	var tree yaml.Node
	if err := yaml.Unmarshal([]byte(text), &tree); err != nil {
		return "", fmt.Errorf("%q: %w", text, err)
	}
	flatten(&tree, e.json)
	var out bytes.Buffer
	if err := yaml.NewEncoder(&out).Encode(&tree); err != nil {
		return "", fmt.Errorf("%q: %w", text, err)
	}
	line := strings.TrimSpace(out.String())
	return line[1 : len(line)-1], nil // without the outer brackets
}

func flatten(n *yaml.Node, quotes bool) {
	n.HeadComment, n.LineComment, n.FootComment = "", "", ""
	switch {
	case n.Kind != yaml.ScalarNode:
		n.Style = yaml.FlowStyle
	case quotes && n.Tag == "!!str":
		n.Style = yaml.DoubleQuotedStyle
	default:
		n.Style = 0
	}
	for _, inner := range n.Content {
		flatten(inner, quotes)
	}
}
