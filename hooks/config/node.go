package config

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

const (
	// maxDepth is far more than any configuration needs.
	maxDepth = 32
	// maxNodes bounds the number of values after aliases are resolved: nine lines of
	// aliases can stand for a billion values.
	maxNodes = 50_000
)

// bounded checks the whole tree, with aliases resolved, before it is read. A tree that
// passes can be walked without further limits.
func (d *decoder) bounded(root *yaml.Node) bool {
	nodes := 0
	open := map[*yaml.Node]bool{}
	var look func(n *yaml.Node, depth int) (*yaml.Node, string)
	look = func(n *yaml.Node, depth int) (*yaml.Node, string) {
		nodes++
		switch {
		case nodes > maxNodes:
			return n, fmt.Sprintf("more than %d values, counted as often as aliases repeat them", maxNodes)
		case depth > maxDepth:
			return n, fmt.Sprintf("nested deeper than %d levels", maxDepth)
		case open[n]:
			return n, "an anchor that contains itself"
		case n.Kind != yaml.AliasNode && n.Style&yaml.TaggedStyle != 0:
			return n, "a tag, which begins with !; tags are not supported, quotes make a text"
		}
		open[n] = true
		defer delete(open, n)
		for _, child := range inside(n) {
			if bad, msg := look(child, depth+1); msg != "" {
				return bad, msg
			}
		}
		return nil, ""
	}
	if bad, msg := look(root, 0); msg != "" {
		d.add(Problem{Pos: Position{d.file, bad.Line}, Msg: msg})
		return false
	}
	return true
}

func inside(n *yaml.Node) []*yaml.Node {
	if n.Kind == yaml.AliasNode {
		return []*yaml.Node{n.Alias}
	}
	return n.Content
}

// value is a node and its path, such as hooks.prestart.timeout.
type value struct {
	node *yaml.Node
	path string
	// secret says that no problem shows the value.
	secret bool
}

// resolved follows an alias. A problem of the aliased value names the line of the
// anchor.
func (v value) resolved() value {
	for v.node.Kind == yaml.AliasNode {
		v.node = v.node.Alias
	}
	return v
}

func (v value) child(name string, n *yaml.Node) value {
	path := pathPart(name)
	if v.path != "" {
		path = v.path + "." + path
	}
	return value{n, path, v.secret}
}

func (v value) item(i int) value {
	return value{v.node.Content[i], v.path + "[" + strconv.Itoa(i) + "]", v.secret}
}

// isNull reports whether the value is missing, ~ or null.
func (v value) isNull() bool {
	return v.node.Kind == yaml.ScalarNode && v.node.ShortTag() == "!!null"
}

func (d *decoder) pos(v value) Position { return Position{d.file, v.node.Line} }

// refuse adds a problem that shows the value, unless it is secret.
func (d *decoder) refuse(v value, msg string, args ...any) {
	d.add(d.refusal(v, msg, args...))
}

func (d *decoder) refusal(v value, msg string, args ...any) Problem {
	p := Problem{Pos: d.pos(v), Field: v.path, Msg: fmt.Sprintf(msg, args...)}
	switch {
	case v.node.Kind == yaml.ScalarNode && !v.isNull():
		if v.node.Value == "" {
			p.Msg = "empty; " + p.Msg
		} else if !v.secret {
			p.Value = v.node.Value
		}
	case v.node.Kind == yaml.ScalarNode:
		p.Msg = "no value; " + p.Msg
	case v.node.Kind == yaml.SequenceNode:
		p.Msg = "is a list; " + p.Msg
	default:
		p.Msg = "is a mapping; " + p.Msg
	}
	return p
}

// private makes read treat its value as secret.
func private(read func(value)) func(value) {
	return func(v value) {
		v.secret = true
		read(v)
	}
}

// wrong adds a problem that does not show the value.
func (d *decoder) wrong(v value, msg string) {
	d.add(Problem{Pos: d.pos(v), Field: v.path, Msg: msg})
}

// pathPart returns a key as part of a path that is one readable line.
func pathPart(key string) string {
	key = safeKey(key)
	if len(key) > maxShown || strings.ContainsFunc(key, unicode.IsControl) {
		return quote(key)
	}
	return key
}

// entry is a key of a mapping and its value.
type entry struct {
	key   string
	line  int
	value value
}

// entries returns the entries of a mapping in the order of the file. It adds a problem
// for a key that is not a text or is given twice. A missing value counts as an empty
// mapping. ok is false, with a problem, if the value is not a mapping.
func (d *decoder) entries(v value, allowed string) (list []entry, ok bool) {
	v = v.resolved()
	if v.isNull() {
		return nil, true
	}
	if v.node.Kind != yaml.MappingNode {
		d.refuse(v, "%s", allowed)
		return nil, false
	}
	first := map[string]int{}
	for i := 0; i < len(v.node.Content); i += 2 {
		key := value{v.node.Content[i], v.path, true}.resolved()
		if key.node.Kind != yaml.ScalarNode || key.isNull() {
			d.refuse(key, "a key must be a plain text")
			continue
		}
		name := key.node.Value
		child := v.child(name, v.node.Content[i+1])
		if name == "<<" && key.node.ShortTag() == "!!merge" {
			d.add(Problem{Pos: d.pos(key), Field: v.path, Value: name,
				Msg: "merge keys are not supported; write the fields out, or repeat a whole value with an alias"})
			continue
		}
		if line, twice := first[name]; twice {
			d.add(Problem{Pos: d.pos(key), Field: child.path,
				Msg: "given twice, first on line " + strconv.Itoa(line)})
			continue
		}
		first[name] = key.node.Line
		list = append(list, entry{name, key.node.Line, child})
	}
	return list, true
}

// field is a key that a mapping may have, and the function that reads its value.
type field struct {
	name string
	read func(value)
}

// fields reads a mapping by a table of fields. known is false if a key is not in the
// table, or if the value is not a mapping.
func (d *decoder) fields(v value, allowed string, table []field) (known bool) {
	list, known := d.entries(v, allowed)
	for _, e := range list {
		if f := lookUp(table, e.key); f != nil {
			f.read(e.value.resolved())
			continue
		}
		known = false
		d.add(Problem{Pos: Position{d.file, e.line}, Field: v.path, Value: safeKey(e.key),
			Msg: "no such field" + d.suggestion(e.key, table)})
	}
	return known
}

func lookUp(table []field, name string) *field {
	for i := range table {
		if table[i].name == name {
			return &table[i]
		}
	}
	return nil
}

// lacks reports whether v is a mapping without this key.
func lacks(v value, key string) bool {
	v = v.resolved()
	if v.node.Kind != yaml.MappingNode {
		return false
	}
	for i := 0; i < len(v.node.Content); i += 2 {
		if v.node.Content[i].Value == key {
			return false
		}
	}
	return true
}

// items returns the items of a list. A missing value counts as an empty list.
func (d *decoder) items(v value, allowed string) []value {
	v = v.resolved()
	if v.isNull() {
		return nil
	}
	if v.node.Kind != yaml.SequenceNode {
		d.refuse(v, "%s", allowed)
		return nil
	}
	list := make([]value, len(v.node.Content))
	for i := range list {
		list[i] = v.item(i).resolved()
	}
	return list
}
