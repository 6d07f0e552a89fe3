package main

import (
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/internal/testutil"
)

// family is a step with a child in its group, one in a session of its own, and an orphan
// in a session of its own.
const family = `hooks:
  prestart:
    timeout: 40s
    steps:
    - name: family
      killAfter: 500ms
      exec: [sh, -c, 'sleep 1001 & setsid sleep 1002 & (setsid sh -c "trap : TERM; sleep 1003; sleep 1004" &) ; echo ready >>"$DIR/ready"; sleep 1005']
`

// familyRuns starts the hook and waits until its whole family is there.
func (s *sandbox) familyRuns() *running {
	s.t.Helper()
	call := s.start("prestart")
	testutil.Eventually(s.t, "the whole family runs", func() bool {
		return s.count("sleep 1001")+s.count("sleep 1002")+s.count("sleep 1003")+s.count("sleep 1005") == 4
	})
	return call
}

// interrupted checks the state after a run that was interrupted.
func (s *sandbox) interrupted() {
	s.t.Helper()
	rec := s.record("prestart")
	if rec.Outcome != state.Interrupted || rec.Steps[0].Outcome != state.Interrupted {
		s.t.Errorf("record %+v, want it interrupted", rec)
	}
	if rec.Totals.Runs[state.Interrupted] != 1 || rec.Totals.Steps[state.Interrupted] != 1 {
		s.t.Errorf("totals %+v, want one interrupted run and step", rec.Totals)
	}
}

func TestStopSignalEndsTheWholeTree(t *testing.T) {
	for sig, code := range map[syscall.Signal]int{syscall.SIGTERM: 143, syscall.SIGINT: 130, syscall.SIGHUP: 129} {
		t.Run(sig.String(), func(t *testing.T) {
			s := newSandbox(t, family)
			call := s.familyRuns()
			sent := time.Now()
			call.signal(t, sig)
			e := call.wait(t)
			if e.code != code {
				t.Errorf("%v, want code %d", e, code)
			}
			testutil.Within(t, time.Since(sent), 0, 20*time.Second)
			contains(t, e.stderr, "podhook: hook prestart interrupted", sig.String())
			if left := commandLines(s.alive()); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
			s.interrupted()
			if kills := s.record("prestart").Totals.Kills; kills["SIGTERM"] != 1 || kills["SIGKILL"] < 1 {
				t.Errorf("signals counted: %v", kills)
			}
		})
	}
}

// A kubelet that restarts kills the processes of its execs and never calls postStart
// again (deploy/kubernetes/kubelet.md). The run goes on, with every kind of step, and the
// next caller joins it. Here the whole process group is killed.
func TestKilledCallerDoesNotStopTheRun(t *testing.T) {
	for kind, step := range map[string]string{
		"program":  script(`echo began >>"$DIR/ran"; until [ -e "$DIR/go" ]; do sleep 0.02; done; echo printed late`),
		"built-in": `wait: {file: "${DIR}/go"}`,
	} {
		t.Run(kind, func(t *testing.T) {
			s := newSandbox(t, "hooks: {prestart: {timeout: 60s, steps: [{"+step+"}, {"+script(`echo ended >>"$DIR/ran"`)+"}]}}\n")
			log, err := os.Create(s.path("log"))
			if err != nil {
				t.Fatal(err)
			}
			defer log.Close()
			c := s.container(log, "sleep", "1000")
			cmd := c.enter(s.binary, "prestart")
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			call := s.begin(cmd)
			running := func() bool { rec, ok := s.seenIn(c, "prestart"); return ok && rec.Outcome == state.Running }
			testutil.Eventually(t, "the run goes on", running)
			if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			if e := call.wait(t); e.code != -int(syscall.SIGKILL) { // at the end of its output
				t.Error(e)
			}
			if !running() {
				rec, _ := s.seenIn(c, "prestart")
				t.Fatalf("the caller was killed, and the run has not gone on: %+v", rec)
			}
			next := s.begin(c.enter(s.binary, "prestart"))
			s.waiting("prestart", 1)
			s.open()
			e := next.wait(t)
			rec, _ := s.seenIn(c, "prestart")
			if e.code != 0 || !strings.Contains(e.stdout, "in a run that was going on (run "+rec.RunID) {
				t.Errorf("the next caller: %v, want it to be told of run %s", e, rec.RunID)
			}
			if got := strings.ReplaceAll(s.read("ran"), "began\n", ""); got != "ended\n" {
				t.Errorf("ran %q", got)
			}
			if kind == "program" {
				contains(t, s.read("log"), "printed late")
				contains(t, c.exec("logs", "prestart").stdout, "printed late")
			}
			testutil.Eventually(t, "the worker has ended", func() bool { return len(s.workers()) == 0 })
		})
	}
}

// The run's time is the hook's, with or without a caller.
func TestKilledCallersRunTimesOut(t *testing.T) {
	testutil.Slow(t)
	s := newSandbox(t, strings.Replace(family, "timeout: 40s", "timeout: 6s", 1))
	call := s.familyRuns()
	call.signal(t, syscall.SIGKILL)
	call.wait(t)
	s.gone()
	rec := s.record("prestart")
	if rec.Outcome != state.TimedOut {
		t.Errorf("record %+v", rec)
	}
	testutil.Within(t, rec.End.Sub(rec.Start), 6*time.Second, 20*time.Second)
}

func TestKilledWorkerLeavesNothing(t *testing.T) {
	s := newSandbox(t, family)
	call := s.familyRuns()
	if err := syscall.Kill(s.worker(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	e := call.wait(t)
	if e.code != 137 {
		t.Errorf("%v, want code 137", e)
	}
	contains(t, e.stderr, "hook prestart interrupted", "SIGKILL")
	if left := commandLines(s.alive()); len(left) > 0 {
		t.Errorf("left behind when the call has ended: %q", left)
	}
	s.interrupted()
	s.configure("hooks: {prestart: {steps: [{exec: ['true']}]}}\n")
	contains(t, s.expect(0, "prestart").stdout, "hook prestart succeeded (run")
}

// What an earlier step, a successful one, has left in the background lives on.
func TestKilledWorkerSparesWhatSucceeded(t *testing.T) {
	s := newSandbox(t, "hooks: {prestart: {steps: [{name: daemon, "+script(`setsid sleep 1001 & sleep 1002 &`)+
		"}, {name: work, "+script(`setsid sleep 1003 & echo began >>"$DIR/ran"; sleep 1004`)+"}]}}\n")
	call := s.start("prestart")
	s.began(1)
	if err := syscall.Kill(s.worker(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if e := call.wait(t); e.code != 137 {
		t.Error(e)
	}
	if a, b, c, d := s.count("sleep 1001"), s.count("sleep 1002"), s.count("sleep 1003"), s.count("sleep 1004"); a != 1 || b != 1 || c != 0 || d != 0 {
		t.Errorf("alive: %q", commandLines(s.alive()))
	}
}

// Nobody is left to clean up; the kernel ends the step's own process.
func TestBothKilledLeaveNoLeader(t *testing.T) {
	s := newSandbox(t, family)
	call := s.familyRuns()
	worker := s.worker()
	call.signal(t, syscall.SIGSTOP) // else the caller would see the worker die
	if err := syscall.Kill(worker, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	call.signal(t, syscall.SIGKILL)
	testutil.Eventually(t, "the leader is gone", func() bool {
		for _, line := range commandLines(s.alive()) {
			if strings.HasPrefix(line, "sh -c sleep 1001") {
				return false
			}
		}
		return true
	})
	s.interrupted()
	table := s.expect(0, "status").stdout // a dead run's time does not count on
	for _, row := range []string{`(?m)^prestart +interrupted +exec +\S+ +- `, `(?m)^family +exec +interrupted +- `} {
		if !regexp.MustCompile(row).MatchString(table) {
			t.Errorf("no %s in\n%s", row, table)
		}
	}
}

// A run that a stop signal ended is no success: the next call is a new one.
func TestStoppedHookRunsAgain(t *testing.T) {
	s := newSandbox(t, gated)
	owner := s.start("prestart")
	s.began(1)
	owner.signal(t, syscall.SIGTERM)
	if e := owner.wait(t); e.code != 143 {
		t.Error(e)
	}
	s.open()
	contains(t, s.expect(0, "prestart").stdout, "hook prestart succeeded (run")
	if got := s.read("ran"); got != "began\nbegan\nended\n" {
		t.Errorf("ran %q", got)
	}
}

// Steps without a program are interrupted too.
func TestStopSignalEndsASleepStep(t *testing.T) {
	s := newSandbox(t, "hooks: {shutdown: {steps: [{sleep: 20s}]}}\n")
	call := s.start("shutdown")
	testutil.Eventually(t, "the step runs", func() bool { rec, ok := s.lastRun("shutdown"); return ok && rec.Outcome == state.Running })
	call.signal(t, syscall.SIGTERM)
	if e := call.wait(t); e.code != 143 || e.elapsed > 15*time.Second {
		t.Error(e)
	}
	if rec := s.record("shutdown"); rec.Outcome != state.Interrupted {
		t.Errorf("record %+v", rec)
	}
}

// An agent that is killed in the middle leaves an interrupted run that the next
// call does again.
func TestKilledAgent(t *testing.T) {
	s := newSandbox(t, gated, "PODHOOK_LISTEN=127.0.0.1:0")
	r, w := pipe(t)
	cmd := s.command("serve")
	cmd.Stdout = w
	agent := s.begin(cmd)
	w.Close()
	address := listening(t, r)
	answer := make(chan error, 1)
	go func() {
		_, err := get(address, "/prestart")
		answer <- err
	}()
	s.began(1)
	agent.signal(t, syscall.SIGKILL)
	if err := <-answer; err == nil {
		t.Error("a killed agent has answered")
	}
	if rec := s.record("prestart"); rec.Outcome != state.Interrupted {
		t.Errorf("record %+v", rec)
	}
	s.open()
	s.expect(0, "prestart")
}
