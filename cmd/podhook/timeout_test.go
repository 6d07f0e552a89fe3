package main

import (
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/internal/testutil"
)

// In each of these a step would take far longer than its time.
func TestTimeouts(t *testing.T) {
	for name, c := range map[string]struct {
		hook, yaml  string
		env         []string
		least, most time.Duration
		reason      string
		kill        uint64 // how many processes got SIGKILL, at least
	}{
		"step": {
			hook:  "prestart",
			yaml:  "steps: [{name: hang, timeout: 300ms, exec: [sleep, '30']}]",
			least: 300 * time.Millisecond, most: 10 * time.Second,
			reason: "step hang: timed out after its timeout of 300ms",
		},
		"hook": {
			hook:  "prestart",
			yaml:  "timeout: 1s\n    steps: [{exec: ['true']}, {name: hang, timeout: 20s, exec: [sleep, '30']}, {exec: ['true']}]",
			least: time.Second, most: 10 * time.Second,
			reason: "step hang: timed out after the timeout of 1s of hook prestart",
		},
		"ignores SIGTERM": {
			hook:  "prestart",
			yaml:  "timeout: 20s\n    steps: [{name: hang, timeout: 300ms, killAfter: 700ms, " + script(`trap "" TERM; sleep 30; sleep 30`) + "}]",
			least: time.Second, most: 12 * time.Second,
			reason: "step hang: timed out after its timeout of 300ms", kill: 2,
		},
		// The killing goes on beyond the hook's own time; whose it was is still known.
		"step's before the hook's": {
			hook:  "prestart",
			yaml:  "timeout: 1s\n    steps: [{name: hang, timeout: 500ms, killAfter: 800ms, " + script(`trap "" TERM; sleep 30; sleep 30`) + "}]",
			least: 1300 * time.Millisecond, most: 12 * time.Second,
			reason: "step hang: timed out after its timeout of 500ms", kill: 2,
		},
		"sleep": {
			hook:  "prestart",
			yaml:  "timeout: 500ms\n    steps: [{name: pause, sleep: 30s}]",
			least: 500 * time.Millisecond, most: 10 * time.Second,
			reason: "step pause: timed out after the timeout of 500ms of hook prestart",
		},
		// Killing included, it ends before the grace period less its margin.
		"grace period, program": {
			hook: "shutdown",
			yaml: "timeout: 25s\n    steps: [{name: drain, exec: [sleep, '20']}]",
			env:  []string{"PODHOOK_GRACE_PERIOD=4s", "PODHOOK_GRACE_MARGIN=1s"},
			// Three seconds are for the hook, half of them at most for killing.
			least: 1500 * time.Millisecond, most: 3 * time.Second,
			reason: "grace period of 4s",
		},
		"grace period, program that ignores SIGTERM": {
			hook:  "shutdown",
			yaml:  "timeout: 25s\n    steps: [{name: drain, " + script(`trap "" TERM; sleep 20; sleep 20`) + "}]",
			env:   []string{"PODHOOK_GRACE_PERIOD=4s", "PODHOOK_GRACE_MARGIN=1s"},
			least: 2500 * time.Millisecond, most: 4 * time.Second,
			reason: "grace period of 4s", kill: 2,
		},
		"grace period, sleep": {
			hook:  "shutdown",
			yaml:  "timeout: 25s\n    steps: [{name: drain, sleep: 20s}]",
			env:   []string{"PODHOOK_GRACE_PERIOD=3s", "PODHOOK_GRACE_MARGIN=1s"},
			least: 2 * time.Second, most: 3 * time.Second,
			reason: "grace period of 3s",
		},
		"grace period shorter than killing": {
			hook:  "shutdown",
			yaml:  "timeout: 25s\n    steps: [{name: drain, killAfter: 10s, " + script(`echo >"$DIR/began"; sleep 20`) + "}]",
			env:   []string{"PODHOOK_GRACE_PERIOD=3s", "PODHOOK_GRACE_MARGIN=1s"},
			least: time.Second, most: 3 * time.Second,
			reason: "grace period of 3s",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSandbox(t, "hooks:\n  "+c.hook+":\n    "+c.yaml+"\n", c.env...)
			e := s.expect(124, c.hook)
			testutil.Within(t, e.elapsed, c.least, c.least+20*time.Second)
			contains(t, e.stderr, "podhook: hook "+c.hook+" timed out", c.reason)
			rec := s.record(c.hook)
			if rec.Outcome != state.TimedOut {
				t.Errorf("recorded as %s", rec.Outcome)
			}
			testutil.Within(t, rec.End.Sub(rec.Start), c.least, c.most)
			if c.kill > 0 && (rec.Totals.Kills["SIGKILL"] < c.kill || rec.Totals.Kills["SIGTERM"] != 1) {
				t.Errorf("signals counted: %v, want SIGTERM once and SIGKILL %d times", rec.Totals.Kills, c.kill)
			}
			if left := commandLines(s.alive()); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
			if name == "grace period shorter than killing" && s.read("began") == "" {
				t.Error("no work was done at all")
			}
		})
	}
}

// A step that has time out with onFailure: continue takes only its own time.
func TestTimedOutStepThatMayFail(t *testing.T) {
	s := newSandbox(t, `hooks:
  prestart:
    timeout: 30s
    steps:
    - {name: hang, timeout: 300ms, onFailure: continue, exec: [sleep, '30']}
    - {name: next, exec: [sh, -c, 'echo next >>"$DIR/ran"']}
`)
	e := s.expect(124, "prestart")
	testutil.Within(t, e.elapsed, 300*time.Millisecond, 15*time.Second)
	if got := s.read("ran"); got != "next\n" {
		t.Errorf("ran %q, want the step after it", got)
	}
	if rec := s.record("prestart"); rec.Steps[0].Outcome != state.TimedOut || rec.Steps[1].Outcome != state.Succeeded {
		t.Errorf("steps %+v", rec.Steps)
	}
}

// While a step runs, status says which one.
func TestStatusOfARunningHook(t *testing.T) {
	s := newSandbox(t, gated)
	call := s.start("prestart")
	s.began(1)
	rec := s.record("prestart")
	if rec.Outcome != state.Running || rec.Steps[0].Outcome != state.Running || rec.Steps[0].Start == nil {
		t.Errorf("record %+v", rec)
	}
	contains(t, s.expect(0, "status").stdout, "prestart", "running", "gate")
	s.open()
	call.wait(t)
}
