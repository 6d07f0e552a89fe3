package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	strictjson "sigs.k8s.io/json"
	kubeyaml "sigs.k8s.io/yaml"
)

// Parse returns the objects of a text in their order. The error joins one *Error for each
// mistake; the documents without one are returned all the same.
func Parse(file File) ([]Document, error) {
	var all []Document
	var errs []error
	for _, part := range split(file) {
		documents, err := part.parse()
		all = append(all, documents...)
		errs = append(errs, err)
	}
	return all, errors.Join(errs...)
}

// part is the text of one document.
type part struct {
	file  string
	above int // lines before it
	text  []byte
}

// split cuts a text at the lines that begin with "---", as kubectl does.
func split(file File) []part {
	parts := []part{{file: file.Name}}
	number := 0
	for line := range bytes.Lines(bytes.TrimPrefix(file.Text, []byte("\xef\xbb\xbf"))) {
		if bytes.HasPrefix(line, []byte("---")) {
			parts = append(parts, part{file: file.Name, above: number})
		}
		last := &parts[len(parts)-1]
		last.text = append(last.text, line...)
		number++
	}
	return parts
}

// parse reads one document of YAML: an object, a List of them, or nothing.
func (p part) parse() ([]Document, error) {
	var tree yaml.Node
	if err := yaml.Unmarshal(p.text, &tree); err != nil {
		return nil, p.syntaxErrors(err)
	}
	if len(tree.Content) == 0 || tree.Content[0].Tag == "!!null" {
		return nil, nil
	}
	// As kubectl reads YAML: by version 1.1, and no key twice.
	data, err := kubeyaml.YAMLToJSONStrict(p.text)
	if err != nil {
		return nil, p.syntaxErrors(err)
	}
	moveDown(&tree, p.above)
	return object(p.file, tree.Content[0], data)
}

func moveDown(n *yaml.Node, lines int) {
	n.Line += lines
	for _, inner := range n.Content {
		moveDown(inner, lines)
	}
}

func object(name string, node *yaml.Node, data []byte) ([]Document, error) {
	if node.Kind != yaml.MappingNode {
		return nil, &Error{File: name, Line: node.Line, Message: "an object with apiVersion and kind is expected"}
	}
	var head struct {
		APIVersion string            `json:"apiVersion"`
		Kind       string            `json:"kind"`
		Items      []json.RawMessage `json:"items"`
		Metadata   struct {
			Name      string `json:"name"`
			Namespace string `json:"namespace"`
		} `json:"metadata"`
	}
	if err := strictjson.UnmarshalCaseSensitivePreserveInts(data, &head); err != nil {
		return nil, typeError(name, node, data, err)
	}
	if head.APIVersion == "" || head.Kind == "" {
		return nil, &Error{File: name, Line: node.Line, Message: "the object has no apiVersion or no kind"}
	}
	if strings.HasSuffix(head.Kind, "List") && len(head.Items) > 0 {
		return items(name, node, head.Items)
	}
	d := Document{
		File: name, Line: node.Line, Node: node, APIVersion: head.APIVersion, Kind: head.Kind,
		Name: head.Metadata.Name, Namespace: head.Metadata.Namespace,
	}
	if errs := d.decode(data); len(errs) > 0 {
		for i, err := range errs {
			errs[i] = typeError(name, node, data, err)
		}
		return nil, errors.Join(errs...)
	}
	return []Document{d}, nil
}

func items(name string, list *yaml.Node, data []json.RawMessage) ([]Document, error) {
	var all []Document
	var errs []error
	nodes, _ := Place(list, "items")
	for i, item := range nodes.Content {
		documents, err := object(name, resolved(item), data[i])
		all = append(all, documents...)
		errs = append(errs, err)
	}
	return all, errors.Join(errs...)
}

// strict decodes as the API server does with fieldValidation=Strict.
func strict(data []byte, object any) []error {
	errs, err := strictjson.UnmarshalStrict(data, object)
	if err != nil {
		return []error{err}
	}
	return errs
}

// typeError says where in the file a value has a wrong type or a field is unknown.
func typeError(name string, node *yaml.Node, data []byte, err error) error {
	e := &Error{File: name, Line: node.Line, Message: err.Error()}
	var wrong *json.UnmarshalTypeError
	var field strictjson.FieldError
	switch {
	case errors.As(err, &wrong):
		e.Field = pathAt(data, wrong.Offset)
		e.Message = "a value of this type cannot be used here: " + wrong.Value + "; write " + word(wrong.Type.Kind())
	case errors.As(err, &field):
		e.Field = field.FieldPath()
		e.Message = "no such field"
	}
	if e.Field != "" {
		_, e.Line = Place(node, fields(e.Field)...)
	}
	return e
}

var lineOfYAML = regexp.MustCompile(`line (\d+): (.*)`)

func (p part) syntaxErrors(err error) error {
	found := lineOfYAML.FindAllStringSubmatch(err.Error(), -1)
	if found == nil {
		return &Error{File: p.file, Message: strings.TrimPrefix(err.Error(), "yaml: ")}
	}
	var errs []error
	for _, m := range found {
		line, _ := strconv.Atoi(m[1])
		errs = append(errs, &Error{File: p.file, Line: p.above + line, Message: m[2]})
	}
	return errors.Join(errs...)
}
