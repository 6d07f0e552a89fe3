package config

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// stepDraft is a step that is being read.
type stepDraft struct {
	step   *Step
	chosen []kind
	// name is the value of the field name.
	name value
	// idle lists the fields that are only for actions that start programs.
	idle []value
	// own lists the fields that a group cannot have.
	own []value
	// outerOnly lists the fields that the members of a group cannot have.
	outerOnly []value
	// needRetries lists the fields that need retries.
	needRetries  []value
	retriesGiven bool
}

// ownOnly makes read add its value to own.
func (s *stepDraft) ownOnly(read func(value)) func(value) {
	return func(v value) {
		s.own = append(s.own, v)
		read(v)
	}
}

func (d *decoder) step(v value) *stepDraft {
	draft := &stepDraft{step: &Step{
		KillAfter: defaultKillAfter, OnFailure: Fail, Pos: d.pos(v),
	}}
	table := d.commonFields(draft)
	for _, k := range kinds() {
		table = append(table, field{k.name(), func(v value) {
			draft.chosen = append(draft.chosen, k)
			draft.step.Action = k.read(d, v)
		}})
	}
	if line := v.resolved(); line.node.Kind == scalarNode && !line.isNull() && line.node.Value != "" {
		d.refuseLine(line)
		return draft
	}
	known := d.fields(v, "a mapping such as {sleep: 5s}", table)
	// An unknown field may be a misspelt action, and is reported already.
	if known || len(draft.chosen) > 0 {
		d.oneAction(v, draft)
	}
	return draft
}

// refuseLine refuses a step that is a text, as in other programs' lists of commands.
func (d *decoder) refuseLine(v value) {
	line := v.node.Value
	v.secret = mayHoldSecret(line)
	name, rest, _ := strings.Cut(line, " ")
	isKind := slices.ContainsFunc(kinds(), func(k kind) bool { return k.name() == name })
	switch {
	case isKind && (rest == "" || v.secret):
		d.refuse(v, "a mapping such as {sleep: 5s}")
	case isKind && name != (Exec{}).Kind():
		d.refuse(v, "a mapping; write - %s: %s", name, rest)
	case isKind:
		d.refuse(v, "a mapping; write - exec: %s", asList(rest))
	default:
		d.refuse(v, "a mapping; write - exec: %s", asList(line))
	}
}

func (d *decoder) commonFields(s *stepDraft) []field {
	started := func(read func(value)) func(value) {
		return func(v value) {
			s.idle = append(s.idle, v)
			read(v)
		}
	}
	table := []field{
		{"name", func(v value) { s.step.Name, s.name = d.stepName(v), v }},
		{"timeout", func(v value) { s.step.Timeout = d.duration(v) }},
	}
	table = append(table, d.retryFields(s)...)
	return append(table, []field{
		{"onFailure", func(v value) { s.step.OnFailure = d.policy(v) }},
		{"once", s.ownOnly(func(v value) { s.step.Once = d.boolean(v) })},
		{"always", func(v value) {
			s.outerOnly = append(s.outerOnly, v)
			s.step.Always = d.boolean(v)
		}},
		{"when", func(v value) {
			s.outerOnly = append(s.outerOnly, v)
			s.step.When = d.when(v)
		}},
		{"env", started(private(func(v value) { s.step.Env = d.env(v) }))},
		{"workingDir", started(func(v value) { s.step.WorkingDir = d.absPath(v) })},
		{"user", started(func(v value) { s.step.User = d.user(v) })},
		{"quiet", started(func(v value) { s.step.Quiet = d.boolean(v) })},
		{"noNewPrivileges", started(func(v value) { s.step.NoNewPrivileges = d.boolean(v) })},
		{"killAfter", started(func(v value) {
			if t := d.duration(v); t != 0 {
				s.step.KillAfter = t
			}
		})},
	}...)
}

// oneAction checks the fields of a step against each other.
func (d *decoder) oneAction(v value, s *stepDraft) {
	p := Problem{Pos: s.step.Pos, Field: v.path}
	switch len(s.chosen) {
	case 0:
		p.Msg = "has no action" + d.oneOfKinds()
		d.add(p)
		return
	case 1:
	default:
		var names []string
		for _, k := range s.chosen {
			names = append(names, k.name())
		}
		p.Msg = "has the actions " + strings.Join(names, " and ") + d.oneOfKinds()
		d.add(p)
		return
	}
	only := s.chosen[0]
	action := only.action
	if s.step.Action != nil {
		action = s.step.Action
	}
	_, wait := action.(Wait)
	if broken := s.step.Action == nil; !startsPrograms(action) && !(wait && broken) {
		for _, idle := range s.idle {
			d.wrong(idle, fmt.Sprintf("means nothing here; the action %s starts no program", only.name()))
		}
	}
	d.checkRetry(s)
	if a, ok := action.(checker); ok {
		a.check(d, s, v.path)
	}
	if s.step.Always && s.step.Timeout == 0 {
		s.step.Timeout = action.alwaysTimeout()
	}
}

func (d *decoder) oneOfKinds() string {
	return d.firstTime("; a step has exactly one of " + kindNames())
}

func (d *decoder) policy(v value) Policy {
	const allowed = "fail, continue or ignore"
	text, ok := d.text(v, allowed)
	switch p := Policy(text); {
	case !ok:
	case p == Fail, p == Continue, p == Ignore:
		return p
	default:
		d.refuse(v, allowed)
	}
	return Fail
}

// env reads variables in the order of the file.
func (d *decoder) env(v value) []string {
	entries, _ := d.entries(v, "a mapping of names to values, such as {MODE: fast}")
	list := make([]string, 0, len(entries))
	for _, e := range entries {
		if msg := badEnvName(e.key); msg != "" {
			d.add(Problem{Pos: Position{d.file, e.line}, Field: v.path, Value: safeKey(e.key), Msg: msg})
			continue
		}
		if text, ok := d.argument(e.value.resolved(), `a text; write "" for an empty one`); ok {
			list = append(list, e.key+"="+text)
		}
	}
	return list
}

// badEnvName returns why podhook refuses the name of a variable, or "". The rule is that of
// Kubernetes since v1.34: printable ASCII without "=".
func badEnvName(name string) string {
	odd := func(r rune) bool { return r > unicode.MaxASCII || !unicode.IsPrint(r) || r == '=' }
	switch {
	case name == "" || len(name) > maxArg/2 || strings.ContainsFunc(name, odd):
		return "the name of a variable is printable ASCII without ="
	case reserved(name):
		return "is set by podhook itself for every step"
	}
	return ""
}
