package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/internal/testutil"
)

// gated is a hook that says that it began and then waits for the file "go".
const gated = `hooks:
  prestart:
    steps:
    - name: gate
      exec: [sh, -c, 'echo began >>"$DIR/ran"; until [ -e "$DIR/go" ]; do sleep 0.02; done; echo ended >>"$DIR/ran"']
`

// began waits until the gated hook has begun so many times.
func (s *sandbox) began(times int) {
	s.t.Helper()
	testutil.Eventually(s.t, fmt.Sprintf("the hook has begun %d times", times), func() bool {
		return strings.Count(s.read("ran"), "began") == times
	})
}

// waiting waits until so many processes wait for the hook's lock.
func (s *sandbox) waiting(hook string, count int) {
	s.t.Helper()
	testutil.Eventually(s.t, fmt.Sprintf("%d callers wait for hook %s", count, hook), func() bool {
		var st syscall.Stat_t
		if syscall.Stat(s.path("state/hooks/"+hook+"/run.json"), &st) != nil {
			return false
		}
		locks, err := os.ReadFile("/proc/locks")
		if err != nil {
			s.t.Fatal(err)
		}
		// "->" marks a process that waits. The file is known by its inode.
		found := 0
		for line := range strings.Lines(string(locks)) {
			if strings.Contains(line, "->") && strings.Contains(line, fmt.Sprintf(":%d ", st.Ino)) {
				found++
			}
		}
		return found == count
	})
}

func (s *sandbox) open() { s.t.Helper(); s.write("go", "", 0o644) }

func TestOnceInAnInstance(t *testing.T) {
	s := newSandbox(t, countedHooks)
	first := s.expect(0, "prestart")
	contains(t, first.stdout, "hook prestart succeeded (run ")
	second := s.expect(0, "prestart")
	rec := s.record("prestart")
	contains(t, second.stdout, "succeeded already", rec.RunID)
	if got := s.read("ran"); got != "prestart\n" {
		t.Errorf("ran %q, want once", got)
	}
	forced := s.expect(0, "prestart", "--force")
	if again := s.record("prestart"); again.RunID == rec.RunID || !strings.Contains(forced.stdout, again.RunID) {
		t.Errorf("--force: run %s, before it %s: %v", again.RunID, rec.RunID, forced)
	}
	if got := s.read("ran"); got != "prestart\nprestart\n" {
		t.Errorf("ran %q, want twice", got)
	}
	if rec := s.record("prestart"); rec.Totals.Runs[state.Succeeded] != 2 {
		t.Errorf("totals %+v, want 2 runs", rec.Totals.Runs)
	}
}

func TestFailedHookRunsAgainWithoutItsOnceSteps(t *testing.T) {
	s := newSandbox(t, `hooks:
  prestart:
    steps:
    - {name: first, once: true, exec: [sh, -c, 'echo first >>"$DIR/ran"']}
    - {name: second, exec: [sh, -c, 'echo second >>"$DIR/ran"']}
    - {name: third, exec: [sh, -c, 'echo third >>"$DIR/ran"; test -e "$DIR/good" || exit 7']}
`)
	e := s.expect(1, "prestart")
	contains(t, e.stderr, "hook prestart failed", "step third: exited with code 7")
	failed := s.record("prestart")
	if failed.Outcome != state.Failed || *failed.Steps[2].ExitCode != 7 {
		t.Errorf("record %+v", failed)
	}
	s.expect(1, "prestart")
	s.write("good", "", 0o644)
	s.expect(0, "prestart")
	if got, want := s.read("ran"), "first\nsecond\nthird\nsecond\nthird\nsecond\nthird\n"; got != want {
		t.Errorf("ran %q, want %q", got, want)
	}
	rec := s.record("prestart")
	if first := rec.Steps[0]; first.Outcome != state.Skipped || first.DoneIn != failed.RunID {
		t.Errorf("the step that is marked once: %+v, want it done in run %s", first, failed.RunID)
	}
}

func TestTwentyExecsRunOnce(t *testing.T) {
	s := newSandbox(t, gated)
	s.binary = plain
	const callers = 20
	var calls []*running
	for range callers {
		calls = append(calls, s.start("prestart"))
	}
	s.waiting("prestart", callers-1)
	s.open()
	run := ""
	for _, call := range calls {
		e := call.wait(t)
		if e.code != 0 {
			t.Fatal(e)
		}
		rec := s.record("prestart")
		run = rec.RunID
		contains(t, e.stdout, "(run "+run)
	}
	if got := s.read("ran"); got != "began\nended\n" {
		t.Errorf("ran %q, want once", got)
	}
}

func TestExecAndHTTPAtOnceRunOnce(t *testing.T) {
	s := newSandbox(t, gated, "PODHOOK_LISTEN=127.0.0.1:0")
	address := s.serve()
	var calls sync.WaitGroup
	runs := make(chan string, 40)
	for range 10 {
		calls.Go(func() {
			a, err := get(address, "/prestart")
			if err != nil || a.status != 200 || a.Outcome != "succeeded" {
				t.Errorf("HTTP: %+v, %v", a, err)
			}
			runs <- a.Run
		})
		call := s.start("prestart")
		calls.Go(func() {
			<-call.done
			_, rest, _ := strings.Cut(call.stdout.String(), "(run ")
			id, _, _ := strings.Cut(rest, ",")
			runs <- id
		})
	}
	s.began(1)
	s.open()
	calls.Wait()
	close(runs)
	want := s.record("prestart").RunID
	for run := range runs {
		if run != want {
			t.Errorf("a caller was told of run %q, want %q", run, want)
		}
	}
	if got := s.read("ran"); got != "began\nended\n" {
		t.Errorf("ran %q, want once", got)
	}
}

// serve starts an agent outside of a container and returns its address.
func (s *sandbox) serve() string {
	s.t.Helper()
	r, w := pipe(s.t)
	cmd := s.command("serve")
	cmd.Stdout = w
	s.begin(cmd)
	w.Close()
	return listening(s.t, r)
}

func TestJoinerTakesOverFromAKilledOwner(t *testing.T) {
	s := newSandbox(t, gated)
	owner := s.start("prestart")
	s.began(1)
	joiner := s.start("prestart")
	s.waiting("prestart", 1)
	interrupted := s.record("prestart").RunID
	kill := ownWorker(t, owner)
	owner.signal(t, syscall.SIGKILL) // first, else it would see the worker die
	kill()
	s.began(2)
	s.open()
	if e := joiner.wait(t); e.code != 0 || strings.Contains(e.stdout, interrupted) {
		t.Errorf("joiner: %v, want a run of its own", e)
	}
	if e := owner.wait(t); e.code != -int(syscall.SIGKILL) {
		t.Errorf("owner: %v", e)
	}
	if got := s.read("ran"); got != "began\nbegan\nended\n" {
		t.Errorf("ran %q: the owner's step has survived it", got)
	}
	rec := s.record("prestart")
	if rec.Totals.Runs[state.Interrupted] != 1 || rec.Totals.Runs[state.Succeeded] != 1 {
		t.Errorf("totals %+v", rec.Totals.Runs)
	}
}

// ownWorker returns a function that kills the worker of a call.
func ownWorker(t *testing.T, call *running) (kill func()) {
	t.Helper()
	var pids []int
	testutil.Eventually(t, "the caller has one child", func() bool {
		pids = children(call.cmd.Process.Pid) // proc_pid_children(5): a look can miss some
		return len(pids) == 1
	})
	return func() {
		if err := syscall.Kill(pids[0], syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
}

func TestKilledJoinerDoesNotStopTheRun(t *testing.T) {
	s := newSandbox(t, gated)
	owner := s.start("prestart")
	s.began(1)
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		joiner := s.start("prestart")
		s.waiting("prestart", 1)
		joiner.signal(t, sig)
		e := joiner.wait(t)
		if want := map[syscall.Signal]int{syscall.SIGKILL: -9, syscall.SIGTERM: 143}[sig]; e.code != want {
			t.Errorf("joiner after %v: %v, want code %d", sig, e, want)
		}
		s.waiting("prestart", 0)
	}
	s.open()
	if e := owner.wait(t); e.code != 0 {
		t.Error(e)
	}
	if got := s.read("ran"); got != "began\nended\n" {
		t.Errorf("ran %q", got)
	}
}

// A call with --force that had to wait for a call that ran nothing runs the hook.
func TestForceIsNotLostToALockThatRanNothing(t *testing.T) {
	s := newSandbox(t, countedHooks)
	s.expect(0, "prestart")
	lock, err := os.OpenFile(s.path("state/hooks/prestart/run.json"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	call := s.start("prestart", "--force")
	s.waiting("prestart", 1)
	lock.Close()
	if e := call.wait(t); e.code != 0 || strings.Contains(e.stdout, "going on") {
		t.Error(e)
	}
	if got := s.read("ran"); got != "prestart\nprestart\n" {
		t.Errorf("ran %q, want twice", got)
	}
}

func TestMarkerFile(t *testing.T) {
	s := newSandbox(t, "")
	marker := s.path("done")
	s.configure(fmt.Sprintf(`hooks:
  prestart:
    marker: %s
    steps:
    - exec: [sh, -c, 'test -e "$DIR/done" && echo stale >>"$DIR/ran"; test ! -e "$DIR/bad"']
`, marker))
	s.env = append(s.env, "PODHOOK_CONFIG="+s.path("podhook.yaml"))
	s.expect(0, "prestart")
	contains(t, s.read("done"), "prestart "+s.record("prestart").RunID)
	s.expect(0, "prestart", "--force")
	s.write("bad", "", 0o644)
	s.expect(1, "prestart", "--force")
	if text := s.read("done"); text != "" {
		t.Errorf("a failed run left the marker %q", text)
	}
	if text := s.read("ran"); text != "" {
		t.Error("the marker of the run before was there while a step ran")
	}
	// A marker that cannot be written is a failure, and says so.
	if err := os.Remove(s.path("bad")); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(s.path("done/in-the-way"), 0o755); err != nil {
		t.Fatal(err)
	}
	e := s.expect(1, "prestart")
	contains(t, e.stderr, "marker: ", marker)
}

func TestHookWithoutStepsSucceeds(t *testing.T) {
	for _, yaml := range []string{"", "hooks: {prestart: {steps: []}, mine: {}}\n"} {
		s := newSandbox(t, yaml)
		if yaml == "" {
			s.env = append(s.env, "PODHOOK_CONFIG_YAML=hooks: {mine: {}}")
		}
		began := time.Now()
		for _, args := range [][]string{{"prestart"}, {"shutdown"}, {"hook", "poststop"}, {"hook", "mine"}} {
			e := s.expect(0, args...)
			contains(t, e.stdout, "succeeded", "0 steps")
			contains(t, s.expect(0, args...).stdout, "succeeded already")
		}
		testutil.Within(t, time.Since(began), 0, 20*time.Second)
	}
}
