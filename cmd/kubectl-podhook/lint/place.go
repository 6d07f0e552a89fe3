package lint

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// place returns the line of a field, and its value if it is there. A field that is not there
// has the line of the nearest one around it. An item of a list is named by its field name,
// or by its number.
func place(node *yaml.Node, fields ...string) (line int, value *yaml.Node) {
	if node == nil {
		return 0, nil
	}
	node = content(node)
	line = node.Line
	for _, field := range fields {
		key, next := child(node, field)
		if next == nil {
			return line, nil
		}
		line, node = key.Line, content(next)
	}
	return line, node
}

// content returns what a document or an alias stands for.
func content(node *yaml.Node) *yaml.Node {
	switch {
	case node.Kind == yaml.DocumentNode && len(node.Content) > 0:
		return content(node.Content[0])
	case node.Kind == yaml.AliasNode:
		return node.Alias
	}
	return node
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
			_, name := child(content(item), "name")
			if name != nil && name.Value == field || strconv.Itoa(i) == field {
				return item, item
			}
		}
	}
	return nil, nil
}

// fieldName writes a path as people do: containers[app].lifecycle.preStop.
func fieldName(fields []string) string {
	var b strings.Builder
	for i, field := range fields {
		switch {
		case i > 0 && isList(fields[i-1]):
			b.WriteString("[" + field + "]")
			continue
		case i > 0:
			b.WriteString(".")
		}
		b.WriteString(field)
	}
	return b.String()
}

func isList(field string) bool {
	switch field {
	case "initContainers", "containers", "env", "ports", "volumes", "volumeMounts", "sysctls":
		return true
	}
	return false
}
