package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// An exec'd hook is two processes: the caller, which is one thread without a Go runtime, and
// the worker.
func TestCallerIsOneThread(t *testing.T) {
	s := newSandbox(t, gated)
	s.binary = withEntry(t)
	call := s.start("prestart")
	s.began(1)
	caller := call.cmd.Process.Pid
	if threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", caller)); len(threads) != 1 {
		t.Errorf("the caller has %d threads", len(threads))
	}
	podhooks := 0
	for _, pid := range s.alive() {
		if path, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); path == s.binary {
			podhooks++
		}
	}
	if workers := s.workers(); podhooks != 2 || len(workers) != 1 || workers[0] == caller {
		t.Errorf("%d processes of podhook, the workers are %v, the caller is %d", podhooks, workers, caller)
	}
	s.open()
	if e := call.wait(t); e.code != 0 {
		t.Error(e)
	}
}

// A caller with a closed standard stream has no guard, and a worker all the same.
func TestHookWithClosedStreams(t *testing.T) {
	s := newSandbox(t, countedHooks)
	s.binary = withEntry(t)
	s.exactly("/bin/sh", "-c", "exec "+s.binary+" prestart <&- >&-")
	s.record("prestart")
}

// Children get the timer slack that podhook was started with, and not podhook's own.
func TestChildrenGetTimerSlack(t *testing.T) {
	s := newSandbox(t, `hooks: {prestart: {steps: [{exec: [cp, -f, /proc/self/timerslack_ns, "${DIR}/step"]}]}}`)
	s.binary = withEntry(t)
	s.exactly("/bin/cp", "-f", "/proc/self/timerslack_ns", s.path("direct"))
	s.exactly(s.binary, "run", "-s", "--", "cp", "-f", "/proc/self/timerslack_ns", s.path("main"))
	s.exactly(s.binary, "prestart", "--force")
	if direct, main, step := s.read("direct"), s.read("main"), s.read("step"); direct == "" || main != direct || step != direct {
		t.Errorf("CMD has %q, a step %q, and without podhook it is %q", main, step, direct)
	}
}

// A seccomp profile that denies a call costs a hook at most its guard.
func TestHookWhereCallsAreDenied(t *testing.T) {
	denied := map[string]int{
		"socketpair": unix.SYS_SOCKETPAIR, "signalfd4": unix.SYS_SIGNALFD4, "fallocate": unix.SYS_FALLOCATE,
		"setsid": unix.SYS_SETSID, "ppoll": unix.SYS_PPOLL,
	}
	for name, call := range denied {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSandbox(t, countedHooks)
			s.binary = withEntry(t)
			cmd := exec.Command(os.Args[0], "deny", strconv.Itoa(int(unix.EPERM)), strconv.Itoa(call), s.binary, "prestart")
			cmd.Env = append(slices.Clone(s.env), childEnv+"=1")
			e := s.begin(cmd).wait(t)
			if e.code != 0 || e.elapsed > 10*time.Second || s.read("ran") != "prestart\n" {
				t.Errorf("%v, ran %q", e, s.read("ran"))
			}
		})
	}
}
