package main

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/internal/testutil"
)

func (s *sandbox) plan(args ...string) hooks.Preview {
	s.t.Helper()
	e := s.expect(0, append([]string{"plan", "-o", "json"}, args...)...)
	var p hooks.Preview
	if err := json.Unmarshal([]byte(e.stdout), &p); err != nil {
		s.t.Fatalf("%v in %v", err, e)
	}
	return p
}

// outline is one line a step: its name and, where it is left out, why.
func outline(p hooks.Preview) (lines []string) {
	for _, step := range p.Steps {
		lines = append(lines, strings.TrimSpace(step.Name+" "+step.Skipped+step.Error))
	}
	return lines
}

func sameLines(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\ngot\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A run matches its plan in names, order, times and reasons.
func TestPlanIsWhatRuns(t *testing.T) {
	s := newSandbox(t, "")
	if err := os.Mkdir(s.path("s.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	s.write("s.d/20-b", "#!/bin/sh -e\necho b >>\"$DIR/ran\"\n", 0o755)
	s.write("s.d/10-a", "#!/bin/sh -e\necho a >>\"$DIR/ran\"\n", 0o644)
	s.configure("hooks:\n  own:\n    timeout: 20s\n    steps:\n    - {name: first, exec: [sh, -c, 'echo first >>$DIR/ran'], once: true}\n" +
		"    - {name: signalled, sleep: 1s, when: {trigger: [signal]}}\n    - {name: s, scripts: " + s.path("s.d") + "}\n" +
		"    - {name: g, timeout: 3s, parallel: [{name: x, remove: " + s.path("x") + "}, {name: y, timeout: 9s, write: {file: " + s.path("y") + "}}]}\n" +
		"    - {name: fails, exec: [sh, -c, 'exit 3'], retries: 2, backoff: 1ms, timeout: 4s}\n    - {name: rest, sleep: 1ms}\n" +
		"    - {name: last, sleep: 1ms, always: true}\n")
	s.env = append(s.env, "PODHOOK_CONFIG="+s.path("podhook.yaml"))

	const when = "when: the run was begun by exec, not by signal"
	planned := s.plan("own")
	sameLines(t, "first plan", outline(planned), []string{"first", "signalled " + when, "s/10-a", "s/20-b", "g/x", "g/y", "fails", "rest", "last"})
	if !planned.Runs || planned.Seconds != 20 || planned.Cut != "" {
		t.Errorf("got %+v", planned)
	}
	if s.read("ran") != "" || len(s.status().Hooks[0].Name) == 0 {
		t.Errorf("a plan has run something: %q", s.read("ran"))
	}
	if _, ran := s.lastRun("own"); ran {
		t.Error("a plan has made a record")
	}
	script := planned.Steps[2]
	sameLines(t, "through its interpreter", script.Argv, []string{"/bin/sh", "-e", s.path("s.d/10-a")})
	sameLines(t, "by itself", planned.Steps[3].Argv, []string{s.path("s.d/20-b")})
	fails := planned.Steps[6]
	if fails.Retries != 2 || fails.TimeoutSeconds != 4 || fails.BackoffSeconds != 0.001 || fails.OnFailure != "fail" {
		t.Errorf("got %+v", fails)
	}
	if g := planned.Steps[4]; g.Group != "g" || g.Does != s.path("x") || g.Kind != "remove" || g.TimeoutSeconds != 3 {
		t.Errorf("got %+v", g)
	}
	if g := planned.Steps[5]; g.TimeoutSeconds != 3 {
		t.Errorf("the group's timeout is shorter: %+v", g)
	}

	s.expect(1, "hook", "own")
	rec := s.record("own")
	var ran []string
	for _, step := range rec.Steps {
		ran = append(ran, step.Name)
	}
	var names []string
	for _, step := range planned.Steps {
		names = append(names, step.Name)
	}
	sameLines(t, "what ran", ran, names)
	if got := rec.Deadline.Sub(rec.Start).Seconds(); got != planned.Seconds {
		t.Errorf("the run had %vs, planned were %vs", got, planned.Seconds)
	}

	again := s.plan("own")
	contains(t, again.Reason, rec.RunID, "failed")
	contains(t, outline(again)[0], "once: succeeded in run "+rec.RunID)
	s.expect(1, "hook", "own")
	for i, step := range s.record("own").Steps {
		if skipped := again.Steps[i].Skipped; skipped != "" && step.Error != skipped {
			t.Errorf("planned to skip because %q, skipped because %q", skipped, step.Error)
		}
	}
}

func TestPlanTrigger(t *testing.T) {
	s := newSandbox(t, "hooks:\n  shutdown:\n    steps:\n    - {name: a, sleep: 1ms, when: {trigger: [signal, http]}}\n    - {name: b, sleep: 1ms, when: {podEnds: true}}\n")
	const ends = "b when: that the pod ends is not known here"
	sameLines(t, "exec", outline(s.plan("shutdown")), []string{"a when: the run was begun by exec, not by signal or http", ends})
	sameLines(t, "signal", outline(s.plan("shutdown", "--trigger", "signal")), []string{"a", ends})
	sameLines(t, "http", outline(s.plan("shutdown", "--trigger", "http")), []string{"a", ends})
}

// A hook that would not be run says why.
func TestPlanRunsNothing(t *testing.T) {
	s := newSandbox(t, "hooks:\n  own:\n    steps:\n    - "+script(`read x <"$DIR/fifo"`)+"\n  quick:\n    steps: [{sleep: 1ms}]\n")
	if err := syscall.Mkfifo(s.path("fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.expect(0, "hook", "quick")
	if p := s.plan("quick"); p.Runs || p.Reason != "succeeded in this instance, in run "+s.record("quick").RunID+"; --force runs it again" {
		t.Errorf("got %+v", p)
	}
	if p := s.plan("quick", "--force"); !p.Runs {
		t.Errorf("--force: %+v", p)
	}
	going := s.start("hook", "own")
	testutil.Eventually(t, "the run goes on", func() bool {
		rec, ok := s.lastRun("own")
		return ok && rec.Outcome == state.Running
	})
	if p := s.plan("own", "--force"); p.Runs || p.Reason != "run "+s.record("own").RunID+" is going on: the call joins it" {
		t.Errorf("got %+v", p)
	}
	if err := os.WriteFile(s.path("fifo"), []byte("x\n"), 0); err != nil {
		t.Fatal(err)
	}
	going.wait(t)
	s.env = append(s.env, "PODHOOK_DISABLED=true")
	if p := s.plan("own", "--force"); p.Runs || p.Reason != "bypassed: PODHOOK_DISABLED is true" {
		t.Errorf("got %+v", p)
	}
	s.configure("hooks: [") // as for a call, it does not matter
	contains(t, s.expect(0, "plan", "own").stdout, "would run nothing: bypassed")
}

// Without a state only the hooks at the end of a container run. plan and the call agree
// for every broken state.
func TestPlanWithoutState(t *testing.T) {
	const step = `{steps: [{exec: [sh, -c, 'echo $PODHOOK_HOOK >>"$DIR/ran"']}]}`
	s := newSandbox(t, "hooks: {prestart: "+step+", shutdown: "+step+", poststop: "+step+", own: "+step+"}")
	states := map[string]string{"no directory": "/dev/null/x"}
	if os.Geteuid() == 0 {
		for name, options := range map[string]string{"read-only": "ro", "full": "size=4k"} {
			dir := s.path(name)
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			flags := uintptr(0)
			if options == "ro" {
				flags, options = syscall.MS_RDONLY, ""
			}
			if err := syscall.Mount("tmpfs", dir, "tmpfs", flags, options); err != nil {
				t.Skipf("no mount here: %v", err)
			}
			t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
			if name == "full" {
				s.write("full/ballast", strings.Repeat("x", 4096), 0o600)
			}
			states[name] = dir
		}
	}
	for name, dir := range states {
		s.env = append(without(s.env, "PODHOOK_STATE_DIR"), "PODHOOK_STATE_DIR="+dir)
		for _, hook := range []string{"prestart", "shutdown", "poststop", "own"} {
			p := s.plan(hook)
			contains(t, p.Reason, dir)
			_ = os.Remove(s.path("ran"))
			e := s.run("hook", hook)
			ran := s.read("ran") == hook+"\n"
			if want := hook == "shutdown" || hook == "poststop"; p.Runs != ran || ran != want {
				t.Errorf("%s, %s: planned to run is %v, because %q; it has run is %v, want %v: %v", name, hook, p.Runs, p.Reason, ran, want, e)
			}
		}
	}
}

// The grace period cuts a shutdown, and keeps time for steps with always.
func TestPlanDeadlines(t *testing.T) {
	s := newSandbox(t, "hooks:\n  shutdown:\n    timeout: 1m\n    steps:\n    - {name: a, exec: [sh], timeout: 50s, killAfter: 3s}\n    - {name: b, sleep: 4s, always: true}\n", "PODHOOK_GRACE_PERIOD=20s")
	p := s.plan("shutdown")
	if p.Seconds != 15 || p.Cut != "the grace period of 20s leaves no more, with 2s for the main process to stop in and 3s to kill" {
		t.Errorf("got %+v", p)
	}
	if a, b := p.Steps[0], p.Steps[1]; a.EndSeconds != 11 || b.EndSeconds != 15 || a.Always || !b.Always {
		t.Errorf("got %+v", p.Steps)
	}
}

func TestPlanTable(t *testing.T) {
	s := newSandbox(t, "hooks:\n  prestart:\n    steps:\n    - {exec: [sh, -c, 'a  b'], timeout: 2s, retries: 1, onFailure: continue, workingDir: /tmp, noNewPrivileges: true}\n")
	e := s.expect(0, "plan", "prestart")
	contains(t, e.stdout, "prestart, called by exec, would run\nby "+s.path("podhook.yaml")+" it may take 1m0s\n", "exec-sh", `sh -c "a  b"`, "2s", "+1m0s", "continue", "in /tmp; no new privileges")
	contains(t, s.expect(0, "plan", "shutdown").stdout, "no steps\n")
}

func TestPlanUsage(t *testing.T) {
	s := newSandbox(t, "hooks: {}")
	contains(t, s.expect(2, "plan").stderr, "the name of one hook is needed")
	contains(t, s.expect(2, "plan", "nix").stderr, `there is no hook "nix"`)
	contains(t, s.expect(2, "plan", "prestart", "--trigger", "kubelet").stderr, `"kubelet": allowed are exec, http, signal, start and watch`)
	s.expect(0, "prestart") // makes it the last good one
	s.configure("hooks: [")
	contains(t, s.expect(0, "plan", "prestart").stderr, "the configuration is broken, the last good one is in force")
}
