package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// find returns the node of a path such as spec.containers[0].image, nil if it is not
// there, and the line of its key, or of the nearest parent that is there.
func find(node *yaml.Node, path string) (*yaml.Node, int) {
	line := node.Line
	for _, name := range strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' }) {
		var at int
		if node, at = child(resolved(node), name); node == nil {
			return nil, line
		}
		line = at
	}
	return resolved(node), line
}

// child returns a value of a mapping, or with "N]" of a sequence, and its line.
func child(node *yaml.Node, name string) (*yaml.Node, int) {
	if index, ok := strings.CutSuffix(name, "]"); ok {
		i, err := strconv.Atoi(index)
		if err == nil && node.Kind == yaml.SequenceNode && i < len(node.Content) {
			return node.Content[i], node.Content[i].Line
		}
		return nil, 0
	}
	if node.Kind != yaml.MappingNode {
		return nil, 0
	}
	for i := 0; i < len(node.Content); i += 2 {
		if key := node.Content[i]; key.Value == name {
			return node.Content[i+1], key.Line
		}
	}
	return nil, 0
}

// resolved is what an alias stands for.
func resolved(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

// pathAt returns the path of the value that ends at an offset of a JSON text.
func pathAt(data []byte, offset int64) string {
	decoder := json.NewDecoder(bytes.NewReader(data))
	path, _ := walk(decoder, "", offset)
	return strings.TrimPrefix(path, ".")
}

// walk reads one value, and returns the path of the one that reaches the offset.
func walk(d *json.Decoder, path string, offset int64) (string, bool) {
	token, err := d.Token()
	if err != nil || d.InputOffset() >= offset {
		return path, true
	}
	open, ok := token.(json.Delim)
	for i := 0; ok && d.More(); i++ {
		inner := fmt.Sprintf("%s[%d]", path, i)
		if open == '{' {
			key, err := d.Token()
			if err != nil {
				return path, true
			}
			inner = fmt.Sprintf("%s.%v", path, key)
		}
		if found, ok := walk(d, inner, offset); ok {
			return found, true
		}
	}
	if ok {
		_, err = d.Token()
	}
	return path, err != nil || d.InputOffset() >= offset
}

// word says in a word of YAML what a field takes.
func word(kind reflect.Kind) string {
	switch kind {
	case reflect.String:
		return "a string, in quotes"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Map, reflect.Struct:
		return "a mapping"
	}
	return "a number"
}
