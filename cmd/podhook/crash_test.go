package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/internal/testutil"
)

const (
	crashes    = 200
	crashSteps = 12
)

// crashConfig is a hook of many steps, each of which says that it was run.
func crashConfig() string {
	var b strings.Builder
	b.WriteString("hooks:\n  prestart:\n    steps:\n")
	for i := range crashSteps {
		fmt.Fprintf(&b, "    - name: step-%d\n      once: true\n      %s\n", i, script(fmt.Sprintf(`echo step-%d >>"$DIR/ran"`, i)))
	}
	return b.String()
}

// TestSIGKILLAtRandomMoments kills the caller, the worker or both of an exec'd
// hook again and again. After each kill the state is readable, and no step that it
// records as done has run again. A worker that has lost its caller ends the hook.
func TestSIGKILLAtRandomMoments(t *testing.T) {
	testutil.Slow(t)
	began := time.Now()
	seed := uint64(began.UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	s := newSandbox(t, crashConfig())
	s.binary = plain
	kills, interrupted, finished := 0, 0, 0
	for round := 0; kills < crashes; round++ {
		if err := os.RemoveAll(s.path("state")); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(s.path("ran")); err != nil {
			t.Fatal(err)
		}
		done := map[string]int{} // recorded as done: how often it had run by then
		for kills < crashes {
			call := s.start("prestart")
			s.randomMoment(random, call)
			which := random.IntN(3)
			hit, alone := s.crash(call, which)
			e := call.wait(t)
			s.gone()
			kills++
			rec, found := s.lastRun("prestart")
			// A process loses its environment before its lock.
			testutil.Eventually(t, "the hook is not running", func() bool {
				rec, found = s.lastRun("prestart")
				return !found || rec.Outcome != state.Running
			})
			s.neverAgain(done, rec)
			if alone {
				finished++
				if rec.Outcome != state.Succeeded {
					t.Fatalf("round %d: the worker of a killed caller has not ended the hook: %v\nrecord %+v", round, e, rec)
				}
			}
			if found && rec.Outcome == state.Succeeded {
				break // too late: the next round begins with nothing done
			}
			if hit && e.code == 0 {
				t.Fatalf("round %d: killed, and yet: %v\nrecord %+v", round, e, rec)
			}
			if found && rec.Outcome == state.Interrupted {
				interrupted++
			}
		}
		s.expect(0, "prestart")
		s.neverAgain(done, s.record("prestart"))
	}
	t.Logf("%d kills, %d interrupted runs, %d without a caller, %v", kills, interrupted, finished, time.Since(began).Round(time.Millisecond))
	if interrupted < crashes/8 || finished < crashes/8 {
		t.Errorf("only %d and %d of %d kills met a run", interrupted, finished, kills)
	}
}

// randomMoment waits until some random number of the hook's steps have been run.
func (s *sandbox) randomMoment(random *rand.Rand, call *running) {
	s.t.Helper()
	ran := func() int { return strings.Count(s.read("ran"), "\n") }
	until := ran() + random.IntN(crashSteps)
	testutil.Eventually(s.t, "the hook has come so far, or has ended", func() bool {
		select {
		case <-call.done:
			return true
		default:
			return ran() >= until
		}
	})
	time.Sleep(time.Duration(random.Int64N(int64(5 * time.Millisecond))))
}

// crash kills the caller, the worker or both, by which. It reports whether it has killed
// the caller, whose exit code is seen, and whether only the caller.
func (s *sandbox) crash(call *running, which int) (caller, alone bool) {
	kill := func(pid int) { _ = syscall.Kill(pid, syscall.SIGKILL) } // it may have ended
	worker := 0
	for _, pid := range children(call.cmd.Process.Pid) {
		if isWorker(pid) {
			worker = pid
		}
	}
	if worker != 0 && which != 0 {
		kill(worker)
	}
	if which != 1 || worker == 0 {
		kill(call.cmd.Process.Pid)
		return true, which == 0 && worker != 0
	}
	return false, false
}

// neverAgain checks that no step ran more often than its record says.
func (s *sandbox) neverAgain(done map[string]int, rec state.Record) {
	s.t.Helper()
	ran := map[string]int{}
	for name := range strings.Lines(s.read("ran")) {
		ran[strings.TrimSpace(name)]++
	}
	for name, times := range done {
		if ran[name] != times {
			s.t.Fatalf("%s was done after %d runs of it, and has now been run %d times", name, times, ran[name])
		}
	}
	for _, step := range rec.Steps {
		isDone := step.Outcome == state.Succeeded || step.DoneIn != ""
		if isDone && ran[step.Name] == 0 {
			s.t.Fatalf("%s is recorded as done and was never run: %+v", step.Name, step)
		}
		if _, known := done[step.Name]; isDone && !known {
			done[step.Name] = ran[step.Name]
		}
		if !isDone && done[step.Name] > 0 {
			s.t.Fatalf("%s was recorded as done and is not any more: %+v", step.Name, step)
		}
	}
	if rec.Outcome == state.Succeeded && !slices.ContainsFunc(rec.Steps, func(st state.StepRecord) bool { return st.Name == fmt.Sprintf("step-%d", crashSteps-1) }) {
		s.t.Fatalf("succeeded without its last step: %+v", rec)
	}
}

// children are the children of a process, of all of its threads.
func children(pid int) []int {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	var pids []int
	for _, file := range files {
		text, _ := os.ReadFile(file)
		for field := range strings.FieldsSeq(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				pids = append(pids, child)
			}
		}
	}
	return pids
}
