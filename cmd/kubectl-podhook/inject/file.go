package inject

import (
	"errors"
	"fmt"
	"strings"

	"github.com/podhook/podhook/cmd/kubectl-podhook/manifest"
	"go.yaml.in/yaml/v3"
)

// lineError is a mistake in a line of the file.
type lineError struct {
	line    int
	message string
}

func (e *lineError) Error() string { return e.message }

// injected is the text of a file with podhook.
type injected struct {
	text      string
	notes     []string
	workloads int
}

func injectFile(o *options, file manifest.File) (injected, error) {
	dos := strings.Contains(string(file.Text), "\r\n")
	text := strings.ReplaceAll(string(file.Text), "\r\n", "\n")
	text = strings.TrimPrefix(text, "\ufeff")
	made, edits, err := change(o, manifest.File{Name: file.Name, Text: []byte(text)})
	if err != nil || edits == 0 {
		made.text = string(file.Text)
		return made, err
	}
	// The result is what this would leave as it is; otherwise the text has a form that is
	// not understood here.
	_, left, err := change(o, manifest.File{Name: file.Name, Text: []byte(made.text)})
	if err != nil || left > 0 {
		return made, fmt.Errorf("%s: podhook cannot be added to a text of this form (%d changes left, %v): format it first, as with kubectl kustomize", file.Name, left, err)
	}
	if dos {
		made.text = strings.ReplaceAll(made.text, "\n", "\r\n")
	}
	return made, nil
}

// change adds podhook to each workload of a text, and counts the edits.
func change(o *options, file manifest.File) (made injected, edits int, err error) {
	documents, err := manifest.Parse(file)
	if err != nil {
		return made, 0, err
	}
	text := string(file.Text)
	e := &editor{source: newSource(text), filled: map[*yaml.Node]bool{}, json: strings.HasPrefix(strings.TrimSpace(text), "{")}
	var errs []error
	for _, d := range documents {
		if d.Pod == nil {
			continue
		}
		p, err := plan(o, d, documents)
		if p == nil && err == nil {
			made.notes = append(made.notes, fmt.Sprintf("%s is left as it is: it has no container %s", d, o.container))
			continue
		}
		if err == nil {
			made.workloads++
			err = p.inject(e)
			for _, note := range p.notes {
				made.notes = append(made.notes, fmt.Sprintf("%s, container %s: %s", d, p.container.Name, note))
			}
		}
		var at *lineError
		if errors.As(err, &at) {
			err = &manifest.Error{File: d.File, Line: at.line, Message: d.String() + ": " + at.message}
		}
		errs = append(errs, err)
	}
	made.text = e.result()
	return made, len(e.edits), errors.Join(errs...)
}

// inject adds podhook to one workload, with the ConfigMap before it.
func (p *podhook) inject(e *editor) error {
	if p.configured {
		if p.options.config != "" || p.options.configMap != "" {
			p.note("it has a configuration already: --config and --config-map are not used")
		}
		return p.write(e, "")
	}
	if p.given != "" {
		return p.write(e, p.given)
	}
	if p.document.Name == "" {
		return &lineError{p.document.Line, "it has no name for its ConfigMap: write --config-map NAME"}
	}
	name, hooks := p.configMapName(), p.options.hooks
	source := p.options.config
	if source == "" {
		var err error
		if hooks, err = p.hooks.yaml(); err != nil {
			return err
		}
		source = "the hooks made for it"
	}
	warnings, err := check(source, hooks, p.grace)
	if err != nil {
		return err
	}
	for _, w := range warnings {
		p.note("%v", w)
	}
	text, err := configMap(name, p.document.Namespace, hooks)
	if err != nil {
		return err
	}
	e.addDocument(p.document.Line, text)
	return p.write(e, name)
}

const configMapSuffix = "-podhook"

// addDocument adds a document before the one that has this line.
func (e *editor) addDocument(line int, text string) {
	for i := line - 1; i >= 0; i-- {
		if at := e.lines[i]; strings.HasPrefix(e.text[at:], "---") {
			e.replace(at, at, 0, "---\n"+text)
			return
		}
	}
	e.replace(0, 0, 0, text+"---\n")
}
