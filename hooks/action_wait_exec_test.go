package hooks

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/procfs"
	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/internal/testutil"
)

// TestWaitExec: a program runs again until it exits with code 0, in the step's
// environment. Its output is not logged again and again.
func TestWaitExec(t *testing.T) {
	b := newBench(t, hook(`- name: ask
  wait: {exec: [sh, -c, "echo $PODHOOK_STEP $A $((1 + $(wc -c <DIR/tries))); printf x >>DIR/tries; test -s DIR/go"], interval: 20ms}
  env: {A: "b c"}
`))
	tries := filepath.Join(b.dir, "tries")
	if err := os.WriteFile(tries, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	f, _, err := b.Start("demo", Request{})
	if err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "three tries", func() bool { text, _ := os.ReadFile(tries); return len(text) >= 3 })
	if err := os.WriteFile(filepath.Join(b.dir, "go"), []byte("go"), 0o644); err != nil {
		t.Fatal(err)
	}
	result, err := f.Wait(t.Context())
	if err != nil || result.Record.Outcome != state.Succeeded {
		t.Fatalf("got %+v, %v", result.Record, err)
	}
	text, _ := os.ReadFile(tries)
	contains(t, b.out.text(), "ask: waiting for exec sh: exit code 1: ask b c 1",
		"ask: exec sh: exit code 0: ask b c "+strconv.Itoa(len(text)))
	if n := strings.Count(b.out.text(), "ask b c"); n != 2 {
		t.Errorf("%d lines of output", n)
	}
}

// TestWaitExecGivesUp: an exit code of giveUp fails the step at once.
func TestWaitExecGivesUp(t *testing.T) {
	b := newBench(t, hook(`- {name: ask, wait: {exec: [sh, -c, "echo never; exit 66"], giveUp: [2, 66]}}`+"\n"))
	began := time.Now()
	rec := b.expect(state.Failed, "ask failed")
	testutil.Within(t, time.Since(began), 0, 5*time.Second)
	contains(t, rec.Reason, "step ask: exec sh: exit code 66: never, which is in giveUp")
}

// TestWaitExecEnds: at the timeout everything that the program has started is killed.
func TestWaitExecEnds(t *testing.T) {
	b := newBench(t, hook(`- name: ask
  wait: {exec: [sh, -c, "trap '' TERM; (trap '' TERM; exec sleep 987) & echo $! >DIR/pid; exec sleep 987"]}
  timeout: 700ms
  killAfter: 200ms
`))
	began := time.Now()
	rec := b.expect(state.TimedOut, "ask timed_out")
	testutil.Within(t, time.Since(began), 900*time.Millisecond, 10*time.Second)
	contains(t, rec.Reason, "timed out after its timeout of 700ms")
	text, err := os.ReadFile(filepath.Join(b.dir, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	if st, err := procfs.Proc.Stat(pid); err == nil && !st.Exited() {
		t.Errorf("process %d lives: %+v", pid, st)
	}
	if rec.Totals.Kills["SIGKILL"] != 2 {
		t.Errorf("kills: %v", rec.Totals.Kills)
	}
}

// TestWaitExecCannotStart: a program that comes later is waited for.
func TestWaitExecCannotStart(t *testing.T) {
	b := newBench(t, hook("- {name: ask, wait: {exec: [DIR/later], interval: 20ms}}\n"))
	f, _, err := b.Start("demo", Request{})
	if err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "the wait has begun", func() bool { return strings.Contains(b.out.text(), "cannot start") })
	later := filepath.Join(b.dir, "later")
	if err := os.Symlink("/bin/true", later); err != nil {
		t.Fatal(err)
	}
	if result, err := f.Wait(t.Context()); err != nil || result.Record.Outcome != state.Succeeded {
		t.Errorf("got %+v, %v", result.Record, err)
	}
}

// TestWaitHolds: a condition that does not last is waited for again.
func TestWaitHolds(t *testing.T) {
	b := newBench(t, hook("- {name: up, wait: {file: DIR/up, holds: 500ms}}\n"))
	up := filepath.Join(b.dir, "up")
	if err := os.WriteFile(up, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	f, _, err := b.Start("demo", Request{})
	if err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "it holds", func() bool { return strings.Contains(b.out.text(), "it exists, for 0.0 s") })
	if err := os.Remove(up); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "it does not hold", func() bool {
		rec, _, err := b.Options.Store.Hook("demo").Read()
		return err == nil && strings.HasSuffix(rec.Steps[0].Waiting, "it does not exist")
	})
	if err := os.WriteFile(up, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	again := time.Now()
	result, err := f.Wait(t.Context())
	if err != nil || result.Record.Outcome != state.Succeeded {
		t.Errorf("got %+v, %v", result.Record, err)
	}
	testutil.Within(t, time.Since(again), 500*time.Millisecond, 10*time.Second)
}
