package hooks

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/internal/testutil"
)

// TestParallel: the steps of a group overlap. Each waits for a file of the others.
func TestParallel(t *testing.T) {
	b := newBench(t, hook(`
- name: meet
  parallel:
  - {name: a, exec: [sh, -c, "echo A; : >DIR/a; until [ -e DIR/b ] && [ -e DIR/c ]; do sleep 0.01; done; echo a"]}
  - {name: b, exec: [sh, -c, "echo B; : >DIR/b; until [ -e DIR/a ] && [ -e DIR/c ]; do sleep 0.01; done; echo b"]}
  - {name: c, write: {file: DIR/c}}
  - {name: d, wait: {file: DIR/a}}
- {name: after, exec: ["true"]}
`, "timeout: 20s"))
	rec := b.expect(state.Succeeded, "meet/a succeeded", "meet/b succeeded", "meet/c succeeded", "meet/d succeeded", "after succeeded")
	contains(t, b.out.text(), "meet/a: A", "meet/a: a", "meet/b: B", "meet/b: b", "meet/d: file ")
	for _, s := range rec.Steps[:4] {
		if s.Start == nil || s.End == nil || s.Attempt != 1 || s.Waiting != "" {
			t.Errorf("%+v", s)
		}
	}
}

func TestParallelPolicies(t *testing.T) {
	const (
		quick = `{name: quick, exec: ["false"], onFailure: %s}`
		slow  = `{name: slow, exec: [sleep, "%s"], killAfter: 50ms}`
	)
	for _, tt := range []struct {
		name, member, sleep, group string
		outcome                    state.Outcome
		slow, after                state.Outcome
	}{
		{"fail stops the others", "fail", "30", "fail", state.Failed, state.Interrupted, state.Skipped},
		{"continue lets them end", "continue", "0.2", "fail", state.Failed, state.Succeeded, state.Skipped},
		{"ignore does not count", "ignore", "0.2", "fail", state.Succeeded, state.Succeeded, state.Succeeded},
		{"the group goes on", "fail", "30", "continue", state.Failed, state.Interrupted, state.Succeeded},
		{"the group is ignored", "fail", "30", "ignore", state.Succeeded, state.Interrupted, state.Succeeded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, hook(fmt.Sprintf("- name: g\n  onFailure: %s\n  parallel:\n  - %s\n  - %s\n- {name: after, exec: [\"true\"]}\n",
				tt.group, fmt.Sprintf(quick, tt.member), fmt.Sprintf(slow, tt.sleep))))
			began := time.Now()
			rec := b.expect(tt.outcome, "g/quick failed", "g/slow "+string(tt.slow), "after "+string(tt.after))
			testutil.Within(t, time.Since(began), 0, 15*time.Second)
			if tt.outcome == state.Failed && rec.Reason != "step g/quick: exited with code 1" {
				t.Errorf("reason %q", rec.Reason)
			}
			if tt.slow == state.Interrupted {
				contains(t, rec.Steps[1].Error, "interrupted: another step of the group failed: step g/quick: exited with code 1")
			}
		})
	}
}

func TestParallelTimeout(t *testing.T) {
	b := newBench(t, hook(`
- name: g
  timeout: 300ms
  parallel:
  - {name: a, sleep: 30s, onFailure: ignore}
  - {name: b, exec: [sleep, "30"], killAfter: 50ms}
  - {name: c, exec: ["true"]}
- {name: after, exec: ["true"]}
`))
	began := time.Now()
	rec := b.expect(state.TimedOut, "g/a timed_out", "g/b timed_out", "g/c succeeded", "after skipped")
	testutil.Within(t, time.Since(began), 300*time.Millisecond, 10*time.Second)
	contains(t, rec.Reason, "timed out after the timeout of 300ms of the group g")
}

// TestParallelOnce: the success of a group's step is recorded at once, and not when the
// group ends.
func TestParallelOnce(t *testing.T) {
	b := newBench(t, hook(`
- name: g
  parallel:
  - {name: quick, exec: [sh, -c, "echo x >>DIR/quick"], once: true}
  - {name: slow, wait: {file: DIR/go}}
`))
	f, _, err := b.Start("demo", Request{})
	if err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "the record says that quick has succeeded", func() bool {
		rec, found, err := b.Options.Store.Hook("demo").Read()
		return err == nil && found && rec.Steps[0].Outcome == state.Succeeded && rec.Steps[1].Outcome == state.Running
	})
	b.Interrupt(fmt.Errorf("enough"), func(string) bool { return true })
	if result, err := f.Wait(t.Context()); err != nil || result.Record.Outcome != state.Interrupted {
		t.Fatalf("%+v, %v", result.Record, err)
	}
	b.script("go", "")
	rec := b.expect(state.Succeeded, "g/quick skipped", "g/slow succeeded")
	if got := b.read("quick"); got != "x\n" || !strings.HasPrefix(rec.Steps[0].Error, "once: succeeded in run ") {
		t.Errorf("ran %q, %s", got, rec.Steps[0].Error)
	}
}

// TestParallelMany is for the race detector: many steps print, record and count at the same
// time.
func TestParallelMany(t *testing.T) {
	var members strings.Builder
	var want []string
	for i := range 12 {
		fmt.Fprintf(&members, "  - {name: s%d, exec: [sh, -c, \"for i in 1 2 3 4 5; do echo $i; done; [ $PODHOOK_ATTEMPT = 2 ]\"], retries: 3, backoff: 1ms}\n", i)
		want = append(want, fmt.Sprintf("g/s%d succeeded", i))
	}
	b := newBench(t, hook("- name: g\n  parallel:\n"+members.String()))
	rec := b.expect(state.Succeeded, want...)
	if got := strings.Count(b.out.text(), ": 5"); got != 24 {
		t.Errorf("%d of 24 last lines", got)
	}
	if n := rec.Totals.Steps[state.Succeeded]; n != 12 {
		t.Errorf("%d of 12 steps counted", n)
	}
}
