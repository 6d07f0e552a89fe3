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

// Place returns the node of a field, nil if it is not there, and the line of its key, or of
// the nearest field around it that is there. An item of a list is named by its name, or by
// its number. The node may be nil; its line is 0 then.
func Place(node *yaml.Node, fields ...string) (*yaml.Node, int) {
	if node == nil {
		return nil, 0
	}
	line := node.Line
	for _, field := range fields {
		key, value := child(resolved(node), field)
		if value == nil {
			return nil, line
		}
		line, node = key.Line, value
	}
	return resolved(node), line
}

// fields splits a path such as spec.containers[0].image.
func fields(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return strings.ContainsRune(".[]", r) })
}

func child(node *yaml.Node, field string) (key, value *yaml.Node) {
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == field {
				return node.Content[i], node.Content[i+1]
			}
		}
	case yaml.SequenceNode:
		for i, item := range node.Content {
			_, name := child(resolved(item), "name")
			if name != nil && name.Value == field || strconv.Itoa(i) == field {
				return item, item
			}
		}
	}
	return nil, nil
}

// resolved is what a document or an alias stands for.
func resolved(node *yaml.Node) *yaml.Node {
	switch {
	case node.Kind == yaml.DocumentNode && len(node.Content) > 0:
		return resolved(node.Content[0])
	case node.Kind == yaml.AliasNode:
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
