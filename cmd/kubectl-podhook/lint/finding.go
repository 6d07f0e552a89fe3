package lint

import (
	"slices"
	"strings"

	"github.com/podhook/podhook/cmd/kubectl-podhook/manifest"
	"github.com/podhook/podhook/hooks/config"
)

// Severity says how bad a finding is.
type Severity string

// An Error does not work, or not always. A Warning works and has a risk.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Finding is one problem of a manifest.
type Finding struct {
	Rule     string   `json:"rule"`
	Severity Severity `json:"severity"`
	File     string   `json:"file"`
	Line     int      `json:"line"`
	// Object is the kind and the name, such as Deployment/web.
	Object string `json:"object"`
	// Field is relative to the pod's spec, or to the hooks.
	Field   string `json:"field,omitempty"`
	Value   string `json:"value,omitempty"`
	Message string `json:"message"`
}

// problem returns the finding without its rule, as podhook check writes problems.
func (f Finding) problem() config.Problem {
	return config.Problem{Pos: config.Position{File: f.File, Line: f.Line}, Field: f.Field, Value: f.Value, Msg: f.Message}
}

// finding is what a rule says about a pod.
type finding struct {
	rule string // only in container.problems
	// fields is the path in the pod's spec. problem is for what has its own position, as hooks.
	fields  []string
	problem config.Problem
}

// found makes a finding about a field of the pod's spec.
func found(fields []string, value, msg string) finding {
	return finding{fields: fields, problem: config.Problem{Value: value, Msg: msg}}
}

// apply looks at a pod by the rules.
func (p *pod) apply(rules []rule) (list []Finding) {
	for _, r := range rules {
		for _, f := range r.look(p) {
			made := p.locate(f)
			made.Rule, made.Severity = r.id, r.severity
			if !slices.Contains(list, made) {
				list = append(list, made)
			}
		}
	}
	return list
}

// locate says where the field of a finding is.
func (p *pod) locate(f finding) Finding {
	made := Finding{
		File: f.problem.Pos.File, Line: f.problem.Pos.Line, Object: p.doc.String(),
		Field: f.problem.Field, Value: f.problem.Value, Message: f.problem.Msg,
	}
	if f.fields != nil || made.File == "" {
		made.File = p.doc.File
		_, made.Line = manifest.Place(p.doc.Node, p.path(f.fields)...)
	}
	if f.fields != nil {
		made.Field = fieldName(f.fields)
	}
	return made
}

// path is the path of a field of the pod's spec in its document.
func (p *pod) path(fields []string) []string {
	return slices.Concat(strings.Fields(strings.ReplaceAll(p.doc.PodPath, ".", " ")), []string{"spec"}, fields)
}

// known returns the findings that were made while a container was read.
func known(rule string) func(*pod) []finding {
	return func(p *pod) (list []finding) {
		for _, c := range p.containers {
			for _, f := range c.problems {
				if f.rule == rule {
					list = append(list, f)
				}
			}
		}
		return list
	}
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
