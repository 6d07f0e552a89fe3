package main

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/internal/testutil"
)

// poststopNote writes down how CMD has ended.
var poststopNote = note("poststop $PODHOOK_MAIN_EXIT_CODE $PODHOOK_MAIN_EXIT_SIGNAL")

// CMD that ignores its stop signal is killed before kubelet would kill all, so that
// poststop and the messages still happen. The time counts from the stop signal.
func TestCMDThatOutlivesTheGracePeriod(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, "hooks: {poststop: {steps: [{"+poststopNote+"}]}}\n", "PODHOOK_GRACE_PERIOD=4s", "STUBBORN=yes")
	s.env = append(s.env, "PODHOOK_TERMINATION_LOG="+s.path("termination"))
	l := s.served()
	began := time.Now()
	l.send(syscall.SIGTERM)
	l.ends(137)
	// A quarter of the grace period is kept.
	testutil.Within(t, time.Since(began), 2900*time.Millisecond, 4*time.Second)
	s.happened("main starts", "main gets SIGTERM", "poststop 137 SIGKILL")
	contains(t, s.read("log"), "outlived the grace period", "hook=poststop")
	contains(t, s.read("termination"), "podhook: the main process was killed, it has outlived the grace period of 4s")
}

// The time of a preStop counts, as kubelet counts it.
func TestGraceBeginsWithThePreStop(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"http", "exec"} {
		t.Run(way, func(t *testing.T) {
			s := newSandbox(t, "hooks: {shutdown: {steps: [{sleep: 2s}]}, poststop: {steps: [{"+poststopNote+"}]}}\n",
				"PODHOOK_GRACE_PERIOD=6s", "STUBBORN=yes", "PODHOOK_LISTEN=127.0.0.1:0")
			l := s.served()
			l.agent()
			began := time.Now()
			if way == "http" {
				l.get("/shutdown")
			} else {
				l.exec("shutdown")
			}
			l.send(syscall.SIGTERM)
			told := time.Now()
			l.ends(137)
			testutil.Within(t, time.Since(began), 4400*time.Millisecond, 6*time.Second)
			testutil.Within(t, time.Since(told), 0, 4*time.Second) // and not another 4.5 s
			s.happened("main starts", "main gets SIGTERM", "poststop 137 SIGKILL")
		})
	}
}

// A shutdown that hangs is ended in time for CMD to stop by itself.
func TestHangingShutdownLeavesCMDItsTime(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, `hooks:
  shutdown:
    timeout: 50s
    steps:
    - {killAfter: 1s, `+script(`trap "" TERM; echo shutdown >>"$DIR/events"; while :; do sleep 1; done`)+`}
  poststop:
    steps: [{`+poststopNote+"}]\n", "PODHOOK_GRACE_PERIOD=6s")
	l := s.served()
	began := time.Now()
	l.send(syscall.SIGTERM)
	l.ends(serverCode)
	testutil.Within(t, time.Since(began), 2900*time.Millisecond, 6*time.Second)
	s.happened("main starts", "shutdown", "main gets SIGTERM", "poststop 3 ")
	contains(t, s.read("termination"), "podhook: hook shutdown timed out")
}

// CMD gets its signal even if shutdown has used up the grace period, a second before its
// SIGKILL.
func TestCMDHasASecondInAnyCase(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, `hooks:
  shutdown:
    timeout: 50s
    steps:
    - {killAfter: 2s, `+script(`trap "" TERM; while :; do sleep 1; done`)+`}
`, "PODHOOK_GRACE_PERIOD=5s", "PODHOOK_GRACE_MARGIN=1s")
	l := s.liveWith(nil, "sh", "-c", `trap 'echo TERM >>"$DIR/events"; sleep 0.6; echo done >>"$DIR/events"; exit 3' TERM; echo up >>"$DIR/events"; while :; do sleep 0.01; done`)
	s.happens("up")
	began := time.Now()
	l.send(syscall.SIGTERM)
	l.ends(3)
	testutil.Within(t, time.Since(began), 3500*time.Millisecond, 5500*time.Millisecond)
	s.happened("up", "TERM", "done")
}

// A poststop that hangs ends with the grace period that a stop signal begins.
func TestPoststopIsWithinTheGracePeriod(t *testing.T) {
	t.Parallel()
	hanging := "hooks: {poststop: {timeout: 50s, steps: [{killAfter: 20s, " + script(`trap "" TERM; echo poststop >>"$DIR/events"; while :; do sleep 1; done`) + "}]}}\n"
	t.Run("stop before CMD's end", func(t *testing.T) {
		s := newSandbox(t, hanging, "PODHOOK_GRACE_PERIOD=3s")
		l := s.served()
		began := time.Now()
		l.send(syscall.SIGTERM)
		l.ends(serverCode)
		testutil.Within(t, time.Since(began), 2*time.Second, 3*time.Second)
		contains(t, s.read("log"), "hook=poststop", "outcome=timed_out", "grace period")
	})
	t.Run("stop after CMD's end", func(t *testing.T) {
		s := newSandbox(t, hanging, "PODHOOK_GRACE_PERIOD=3s")
		l := s.liveWith(nil, "sh", "-c", "exit 9")
		s.happens("poststop")
		began := time.Now()
		l.send(syscall.SIGTERM)
		l.ends(9)
		testutil.Within(t, time.Since(began), 2*time.Second, 3500*time.Millisecond)
	})
	t.Run("impatient", func(t *testing.T) {
		s := newSandbox(t, strings.Replace(hanging, "killAfter: 20s", "killAfter: 100ms", 1), "PODHOOK_GRACE_PERIOD=40s")
		l := s.liveWith(nil, "sh", "-c", "exit 9")
		s.happens("poststop")
		began := time.Now()
		l.send(syscall.SIGQUIT)
		l.ends(9)
		testutil.Within(t, time.Since(began), 0, 10*time.Second)
		contains(t, s.read("log"), "hook=poststop", "outcome=interrupted")
	})
}
