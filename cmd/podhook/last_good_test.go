package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

const drainHook = "hooks:\n  prestart: {steps: [{sleep: 1ms}]}\n  shutdown:\n    steps:\n    - exec: [sh, -c, 'echo drained >>\"$DIR/ran\"']\n"

// A file that has become empty or was removed since the start must not look like a
// successful drain. The last good one stays in force, for exec'd hooks too.
func TestExecWithoutAConfiguration(t *testing.T) {
	for name, change := range map[string]func(*sandbox){
		"empty":    func(s *sandbox) { s.configure("") },
		"comments": func(s *sandbox) { s.configure("# hooks:\n") },
		"cut":      func(s *sandbox) { s.configure("hooks:\n  prestart: {}\n  shutdown:\n") },
		"gone":     func(s *sandbox) { _ = os.Remove(s.path("podhook.yaml")) },
	} {
		s := newSandbox(t, drainHook)
		s.expect(0, "prestart")
		change(s)
		e := s.expect(0, "shutdown")
		if s.read("ran") != "drained\n" {
			t.Errorf("%s: ran %q in %v", name, s.read("ran"), e)
		}
		contains(t, e.stderr, "the configuration is broken, the last good one is in force", s.dir[:20])
		contains(t, s.status().Config.Refused, s.dir[:20])
	}
}

// At a start it is an error, which hooks: {} is not.
func TestStartWithoutAConfiguration(t *testing.T) {
	for _, yaml := range []string{"", "# nothing\n", "hooks:\n"} {
		s := newSandbox(t, "hooks: {}", "PODHOOK_LISTEN=127.0.0.1:0")
		s.expect(0, "check")
		s.configure(yaml)
		contains(t, s.expect(2, "check").stdout, "write hooks: {} to have none")
		for _, args := range [][]string{{"serve"}, {"run", "--", "true"}, {"prestart"}} {
			contains(t, s.expect(2, args...).stderr, "write hooks: {} to have none")
		}
	}
}

// scripted is a sandbox whose shutdown runs the scripts of a directory.
func scripted(t *testing.T, env ...string) *sandbox {
	s := newSandbox(t, "", env...)
	if err := os.Mkdir(s.path("shutdown.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	s.write("shutdown.d/20-drain", "#!/bin/sh\necho drained >>\"$DIR/ran\"\n", 0o755)
	s.configure("hooks:\n  prestart: {steps: [{sleep: 1ms}]}\n  shutdown: {steps: [{scripts: " + s.path("shutdown.d") + "}]}\n")
	s.env = append(s.env, "PODHOOK_CONFIG="+s.path("podhook.yaml"))
	return s
}

// One bad script that is added to the others does not cost the drain.
func TestBadScriptDoesNotCostTheDrain(t *testing.T) {
	s := scripted(t)
	s.expect(0, "prestart")
	s.write("shutdown.d/10-bad", "no interpreter\n", 0o755)
	e := s.expect(0, "shutdown")
	contains(t, e.stderr, "shutdown.d/10-bad", "neither a program (ELF) nor a script")
	contains(t, s.status().Config.Refused, "shutdown.d/10-bad")
	if s.read("ran") != "drained\n" {
		t.Errorf("ran %q in %v", s.read("ran"), e)
	}
	// Without earlier good scripts the good one runs, and the bad one fails the hook.
	s = scripted(t)
	s.write("shutdown.d/10-bad", "no interpreter\n", 0o755)
	if e := s.expect(1, "shutdown"); s.read("ran") != "drained\n" {
		t.Errorf("ran %q in %v", s.read("ran"), e)
	}
	rec := s.record("shutdown")
	if len(rec.Steps) != 2 || rec.Steps[0].Outcome != "succeeded" || rec.Steps[1].Outcome != "failed" || rec.Steps[1].Name != "scripts-shutdown.d/10-bad" {
		t.Errorf("recorded %+v", rec.Steps)
	}
	contains(t, s.expect(2, "serve").stderr, "shutdown.d/10-bad") // a start can be tried again
}

// podhook run drains by the last good scripts too.
func TestBadScriptUnderRun(t *testing.T) {
	s := scripted(t)
	l := s.served()
	s.write("shutdown.d/10-bad", "no interpreter\n", 0o755)
	l.send(syscall.SIGTERM)
	l.ends(3)
	if s.read("ran") != "drained\n" {
		t.Errorf("ran %q", s.read("ran"))
	}
	contains(t, s.read("log"), "configuration refused", "shutdown.d/10-bad")
}

// A step can call another hook of a configuration that is a variable, which it does not
// have itself.
func TestStepCallsAHookOfTheVariable(t *testing.T) {
	s := newSandbox(t, "")
	s.env = append(s.env, "PODHOOK_CONFIG_YAML=hooks:\n  prestart: {steps: [{exec: ["+s.binary+", hook, other]}]}\n"+
		"  other: {steps: [{exec: [sh, -c, 'echo other >>\"$DIR/ran\"']}]}\n")
	if e := s.expect(0, "prestart"); s.read("ran") != "other\n" {
		t.Errorf("ran %q in %v", s.read("ran"), e)
	}
}

// More scripts than a record can hold are refused before anything runs.
func TestTooManyScriptsAreNamed(t *testing.T) {
	s := scripted(t)
	for i := range 1000 {
		if err := os.Symlink("20-drain", s.path(fmt.Sprintf("shutdown.d/%04d", i))); err != nil {
			t.Fatal(err)
		}
	}
	const want = "with these scripts the hook has 1001 steps; 1000 are allowed"
	contains(t, strings.Join(s.checkOf(2), "\n"), want)
	contains(t, s.expect(2, "serve").stderr, want)
	contains(t, s.expect(2, "run", "--", "true").stderr, want)
}
