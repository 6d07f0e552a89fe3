package main

import (
	"fmt"
	"strings"
	"testing"
)

// The output of an exec'd hook always fits into the status of a pod, and begins with the
// error.
func TestErrorsOfExecAreBounded(t *testing.T) {
	var many, unknown strings.Builder
	var variables []string
	for i := range 100 {
		fmt.Fprintf(&many, "  hook-%03d-of-a-hundred: {steps: [sleep: 1ms]}\n", i)
		fmt.Fprintf(&unknown, "  prestart%03d: {stepps: [sleep: 1ms]}\n", i)
		variables = append(variables, fmt.Sprintf("PODHOOK_TYPO_%03d=%s", i, strings.Repeat("x", 80)))
	}
	long := strings.Repeat("x", 5000)
	for name, c := range map[string]struct {
		yaml, call string
		env        []string
		want       string
	}{
		"unknown variables": {"hooks: {}\n", "prestart", variables, "podhook: PODHOOK_TYPO_000: "},
		"unknown hook":      {"hooks:\n" + many.String(), "hook none", nil, `podhook: there is no hook "none"; there are hook-000-of-a-hundred, `},
		"broken":            {"hooks:\n" + unknown.String(), "shutdown", nil, "podhook: DIR/podhook.yaml:2: "},
		"wait, broken":      {"hooks:\n" + unknown.String(), "wait prestart --timeout 0s", nil, "podhook: DIR/podhook.yaml:2: "},
		"flag":              {"hooks: {}\n", "prestart --" + long, nil, "podhook: prestart: there is no flag --xxx"},
		"name":              {"hooks: {}\n", "hook " + long, nil, "podhook: "},
		"signal":            {"hooks: {}\n", "signal " + long, nil, "podhook: "},
		"sleep":             {"hooks: {}\n", "sleep " + long, nil, "podhook: "},
		"state":             {"hooks: {}\n", "prestart", []string{"PODHOOK_STATE_DIR=/proc/" + long}, "podhook: "},
	} {
		s := newSandbox(t, c.yaml, c.env...)
		e := s.run(strings.Fields(c.call)...)
		all := e.stdout + e.stderr
		if e.code != 2 || len(all) > 2048 || !strings.HasPrefix(all, strings.ReplaceAll(c.want, "DIR", s.dir)) || strings.Count(all, "bytes cut]") > 1 {
			t.Errorf("%s: code %d and %d bytes, want 2 and at most 2048:\n%s", name, e.code, len(all), shortened(all))
		}
	}
}

// A configuration that is refused leaves room for the outcome and the last lines.
func TestRefusedConfigurationLeavesRoom(t *testing.T) {
	s := newSandbox(t, "hooks: {prestart: {steps: [{name: print, "+script("seq 5000; exit 3")+"}]}}\n")
	s.expect(1, "prestart")
	s.configure("hooks: {prestart: {" + strings.Repeat("x", 5000) + ": 1}}\n")
	e := s.expect(1, "prestart")
	if len(e.stderr) > 2048 {
		t.Errorf("%d bytes", len(e.stderr))
	}
	contains(t, e.stderr, "the last good one is in force", "prestart failed", "step print: exited with code 3", "\n5000\n")
}
