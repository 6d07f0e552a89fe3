package config

import (
	"errors"
	"strings"
	"testing"
)

// parseProblems returns the problems of a text.
func parseProblems(t *testing.T, text string) []Problem {
	t.Helper()
	_, err := Parse("f.yaml", []byte(text), nil)
	var errs *Errors
	if !errors.As(err, &errs) {
		t.Fatalf("%q: error %v is no *Errors", text, err)
	}
	return errs.Problems
}

// A word of Kubernetes, Docker or YAML's habits gets an error that says what to write, at
// its line.
func TestErrorsSayWhatToWrite(t *testing.T) {
	for _, c := range []struct {
		text string
		line int
		want string
	}{
		{"hooks: {demo: {timeout: 30}}", 1, "write 30s"},
		{"hooks: {demo: {timeout: 30 seconds}}", 1, "write 30s"},
		{"hooks: {demo: {timeout: 2min}}", 1, "write 2m"},
		{"hooks: {demo: {timeout: 1.5}}", 1, "write 1.5s"},
		{inStep("command: [a]"), 4, "write exec: [PROGRAM, ARGUMENT]"},
		{inStep("httpGet: {path: /x}"), 4, "write http: http://"},
		{inStep("tcpSocket: {port: 80}"), 4, "write wait: {tcp:"},
		{inStep("exec: [a]\nretry: 3"), 5, "write retries: 3"},
		{inStep("exec: [a]\ntimeoutSeconds: 3"), 5, "write timeout: 5s"},
		{inStep("exec: [a]\nworkdir: /"), 5, "write workingDir: /path"},
		{inStep("exec: [a]\nrunAsUser: 1"), 5, "write user: 1000"},
		{inStep("exec: [a]\nallowPrivilegeEscalation: false"), 5, "write noNewPrivileges: true"},
		{inStep("echo hi"), 4, "write - exec: [echo, hi]"},
		{inStep("cd /x && ls"), 4, `write - exec: [sh, -c, "cd /x && ls"]`},
		{inStep("sleep 5s"), 4, "write - sleep: 5s"},
		{inStep("exec nginx -s quit"), 4, "write - exec: [nginx, -s, quit]"},
		{inStep("exec: [a]\nenv: [{name: A, value: b}]"), 5, "a mapping of names to values, such as {MODE: fast}"},
		{inStep("wait: {port: 80}"), 4, "write tcp:"},
		{inStep("wait: {tcp: \"a:1\", timeout: 5s}"), 4, "in the step, beside wait:"},
		{"lifecycle: {preStop: {}}", 1, "write prestart and shutdown under hooks:"},
		{"prestart: {}", 1, "write prestart and shutdown under hooks:"},
		{"hooks:\nshutdown: {}", 2, "write prestart and shutdown under hooks:"},
		{"hooks: {preStart: {}}", 1, "write prestart"},
		{"hooks: {PreStop: {}}", 1, "the hook for Kubernetes' preStop is shutdown"},
		{"hooks: {postStart: {}}", 1, "the hook for Kubernetes' postStart is prestart"},
		{"hooks: {demo: {exec: [a]}}", 1, "steps: [{exec: [PROGRAM, ARGUMENT]}]"},
		{"hooks: {demo: {sleep: 5s}}", 1, "steps: [{sleep: 5s}]"},
		{"hooks:\n  demo:\n  steps:\n  - sleep: 5s", 3, "indent it under the hook's name"},
		{"hooks:\n  demo:\n  timeout: 5s", 3, "indent it under the hook's name"},
		{"hooks:\n  demo:\n    steps:\n    sleep: 5s", 4, "steps: [{sleep: 5s}]"},
		{"hooks:\n  demo:\n    steps:\n      - name: x\n       exec: [a]", 5, "look at its indentation"},
		{"hooks:\n  demo: timeout: 5s", 2, `a second ": " in a line`},
		{"hooks:\n\tdemo: {}", 2, "a tab in the indentation"},
	} {
		found := false
		var all []string
		for _, p := range parseProblems(t, c.text) {
			all = append(all, p.Error())
			found = found || p.Pos.Line == c.line && strings.Contains(p.Msg, c.want)
		}
		if !found {
			t.Errorf("%q:\n%s\nwant line %d and %q", c.text, strings.Join(all, "\n"), c.line, c.want)
		}
	}
}

// The value of a command line that may hold a secret is not shown.
func TestALineAsAStepHidesSecrets(t *testing.T) {
	for _, p := range parseProblems(t, inStep(`curl -H "Token=hunter2" http://x`)) {
		if strings.Contains(p.Error(), "hunter2") {
			t.Error(p)
		}
	}
}

// A long list helps once.
func TestAListOfNamesIsPrintedOnce(t *testing.T) {
	_, err := Parse("f.yaml", []byte("hooks:\n  a:\n    steps:\n    - qqqq: 1\n    - qqqqq: 1\n    - {name: x}\n    - {name: y}\n"), nil)
	text := err.Error()
	if strings.Count(text, "parallel") != 2 || strings.Count(text, "allowed: name, ") != 1 || strings.Count(text, "exactly one of") != 1 || strings.Count(text, "\n") != 3 {
		t.Errorf("got\n%s", text)
	}
}

// Every field of a hook and of a step refuses a value of another type, with its name and
// line.
func TestEveryFieldRefusesAnotherType(t *testing.T) {
	d := &decoder{}
	names := map[string]string{"timeout": "", "paths": "", "marker": "", "steps": ""}
	for _, f := range d.commonFields(&stepDraft{step: &Step{}}) {
		names["step."+f.name] = f.name
	}
	for _, k := range kinds() {
		names["step."+k.name()] = k.name()
	}
	if len(names) < 25 {
		t.Fatalf("only %d fields", len(names))
	}
	for name, field := range names {
		text, line := "hooks:\n  demo:\n    "+name+": [[[]]]\n", 3
		if field != "" {
			text, line = inStep("exec: [a]\nretries: 1\n"+field+": [[[]]]"), 6
			if field == "exec" || field == "retries" {
				text, line = inStep(field+": [[[]]]"), 4
			}
		} else {
			field = name
		}
		found := false
		for _, p := range parseProblems(t, text) {
			found = found || p.Pos.Line == line && strings.Contains(p.Field, field) && !strings.Contains(p.Msg, "no such field")
		}
		if !found {
			t.Errorf("%s: %v", name, parseProblems(t, text))
		}
	}
}
