package main

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/internal/testutil"
)

// hangs is a shutdown that nothing ends but a signal.
const hangs = `{killAfter: 100ms, exec: [sh, -c, 'echo shutdown >>"$DIR/events"; sleep 1000']}`

// mainNeeds is a main process that needs some time from TERM to its end.
func mainNeeds(seconds string) []string {
	return []string{"sh", "-c", `trap 'echo TERM >>"$DIR/events"; sleep ` + seconds + `; echo done >>"$DIR/events"; exit 3' TERM; echo up >>"$DIR/events"; while :; do sleep 0.01; done`}
}

// preStopBy calls shutdown as kubelet does and returns at once; the channel gets
// whether that succeeded.
func (l life) preStopBy(way string) <-chan bool {
	l.s.t.Helper()
	succeeded := make(chan bool, 1)
	if way == "http" {
		l.agent()
		go func() { succeeded <- l.status("/shutdown") == 200 }()
		return succeeded
	}
	preStop := l.s.begin(l.enter(l.s.binary, "shutdown"))
	go func() {
		<-preStop.done
		succeeded <- preStop.cmd.ProcessState.ExitCode() == 0
	}()
	return succeeded
}

// byBothWays runs a test for preStops by HTTP and by exec.
func byBothWays(t *testing.T, test func(t *testing.T, way string)) {
	t.Helper()
	for _, way := range []string{"http", "exec"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			test(t, way)
		})
	}
}

// A drain by hand is no preStop of a stop that comes later: the main process has the
// grace period from its stop signal on, and poststop after an end by itself has none.
func TestDrainByHandIsNoPreStop(t *testing.T) {
	t.Parallel()
	hooks := "hooks: {shutdown: {steps: [{" + note("shutdown") + "}]}, poststop: {timeout: 20s, steps: [{" + script(`sleep 0.5; echo poststop >>"$DIR/events"`) + "}]}}\n"
	byBothWays(t, func(t *testing.T, way string) {
		s := newSandbox(t, hooks, "PODHOOK_LISTEN=127.0.0.1:0", "PODHOOK_GRACE_PERIOD=8s")
		l := s.liveWith(nil, mainNeeds("2")...)
		s.happens("up")
		if !<-l.preStopBy(way) {
			t.Error("the drain has failed")
		}
		time.Sleep(5 * time.Second) // longer than a stop signal follows a preStop
		began := time.Now()
		l.send(syscall.SIGTERM)
		l.ends(3)
		testutil.Within(t, time.Since(began), 2*time.Second, 20*time.Second)
		s.happened("up", "shutdown", "TERM", "done", "poststop")
	})
	t.Run("CMD ends by itself", func(t *testing.T) {
		t.Parallel()
		s := newSandbox(t, strings.Replace(hooks, "sleep 0.5", "sleep 3", 1), "PODHOOK_GRACE_PERIOD=5s")
		l := s.liveWith(nil, "sh", "-c", `echo up >>"$DIR/events"; until [ -e "$DIR/go" ]; do sleep 0.02; done; exit 4`)
		s.happens("up")
		if !<-l.preStopBy("exec") {
			t.Error("the drain has failed")
		}
		time.Sleep(2500 * time.Millisecond)
		s.write("go", "", 0o644)
		l.ends(4)
		s.happened("up", "shutdown", "poststop")
	})
}

// A stop signal during a preStop means that the grace period of kubelet is used up. CMD,
// poststop and the messages have 2 s, regardless of PODHOOK_GRACE_PERIOD.
func TestStopWhileAPreStopGoesOn(t *testing.T) {
	t.Parallel()
	byBothWays(t, func(t *testing.T, way string) {
		s := newSandbox(t, "hooks: {shutdown: {steps: ["+hangs+"]}, poststop: {steps: [{"+poststopNote+"}]}}\n", "PODHOOK_LISTEN=127.0.0.1:0")
		l := s.liveWith(nil, mainNeeds("0.1")...)
		s.happens("up")
		preStop := l.preStopBy(way)
		s.happens("shutdown")
		if way == "http" {
			time.Sleep(anotherContainers) // it could be the preStop of another container before
		}
		began := time.Now()
		l.send(syscall.SIGTERM)
		s.happens("TERM")
		l.ends(3)
		testutil.Within(t, time.Since(began), 100*time.Millisecond, 10*time.Second) // and not 28 s
		if <-preStop {
			t.Error("preStop has succeeded")
		}
		s.happened("up", "shutdown", "TERM", "done", "poststop 3 ")
		contains(t, s.read("log"), "terminated while shutdown goes on")
	})
}

// anotherContainers is a bit more than the age up to which a run by HTTP may be another
// container's preStop.
const anotherContainers = time.Second

// The stop signal does not repeat a preStop that has failed, but one that was killed.
func TestFailedPreStopIsNotRepeated(t *testing.T) {
	t.Parallel()
	byBothWays(t, func(t *testing.T, way string) {
		s := newSandbox(t, "hooks: {shutdown: {steps: [{"+script(`echo shutdown >>"$DIR/events"; exit 7`)+"}]}}\n", "PODHOOK_LISTEN=127.0.0.1:0")
		l := s.served()
		if <-l.preStopBy(way) {
			t.Error("preStop has succeeded")
		}
		l.send(syscall.SIGTERM)
		l.ends(serverCode)
		s.happened("main starts", "shutdown", "main gets SIGTERM")
		contains(t, s.read("log"), "shutdown not run again")
	})
	t.Run("killed", func(t *testing.T) {
		t.Parallel()
		s := newSandbox(t, "hooks: {shutdown: {steps: [{"+script(`echo shutdown >>"$DIR/events"; test -e "$DIR/killed" || sleep 1000`)+"}]}}\n")
		l := s.served()
		preStop := s.begin(l.enter(s.binary, "shutdown"))
		s.happens("shutdown")
		s.write("killed", "", 0o644)
		if err := syscall.Kill(s.worker(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		preStop.wait(t)
		l.send(syscall.SIGTERM)
		l.ends(serverCode)
		s.happened("main starts", "shutdown", "shutdown", "main gets SIGTERM")
	})
}

// After a call of shutdown a gated CMD is never started. The caller gets its answer, and a
// wait for the main process ends with that reason.
func TestShutdownWhilePrestartGates(t *testing.T) {
	t.Parallel()
	hooks := "hooks:\n  prestart:\n    steps:\n    - " + script(`echo prestart >>"$DIR/events"; sleep 1000`) +
		"\n  shutdown:\n    timeout: 25s\n    steps:\n    - signal: QUIT\n    - wait: {exit: main}\n    - sleep: 20s\n    - " + note("shutdown") + "\n"
	byBothWays(t, func(t *testing.T, way string) {
		s := newSandbox(t, hooks, "PODHOOK_LISTEN=127.0.0.1:0")
		l := s.live()
		s.happens("prestart")
		began := time.Now()
		if !<-l.preStopBy(way) {
			t.Error("preStop has failed")
		}
		l.ends(143)
		testutil.Within(t, time.Since(began), 0, 15*time.Second)
		s.happened("prestart", "shutdown")
		log := s.read("log")
		contains(t, log, "hook=prestart", "outcome=interrupted", "shutdown was called before the main process was started", "main process not started")
		if n := strings.Count(log, "has not been started"); n != 3 { // by each of the three steps
			t.Errorf("%d steps say why they end, want 3: %s", n, log)
		}
		s.gone()
	})
	t.Run("the stop signal follows", func(t *testing.T) {
		t.Parallel()
		s := newSandbox(t, "hooks: {prestart: {steps: [{"+script(`echo prestart >>"$DIR/events"; sleep 1000`)+"}]}, shutdown: {steps: ["+hangs+"]}}\n", "PODHOOK_LISTEN=127.0.0.1:0")
		l := s.live()
		s.happens("prestart")
		preStop := l.preStopBy("exec")
		s.happens("shutdown")
		testutil.Eventually(t, "prestart has ended", func() bool { return strings.Contains(s.read("log"), "hook=prestart") })
		began := time.Now()
		l.send(syscall.SIGINT)
		l.ends(130)
		testutil.Within(t, time.Since(began), 0, 10*time.Second) // kubelet's 2 s, and not 28 s
		<-preStop
	})
	t.Run("nothing is there to be signalled", func(t *testing.T) {
		t.Parallel()
		s := newSandbox(t, hooks)
		l := s.live()
		s.happens("prestart")
		if e := l.exec("signal", "QUIT"); e.code != 0 || !strings.Contains(e.stdout, "not been started yet") {
			t.Errorf("podhook signal: %v", e)
		}
		contains(t, l.exec("status", "-o", "json").stdout, `"state": "not_started"`)
	})
}

// Of two podhook runs in a container the second one says that it shares the state, and
// leaves the first one's main process to the exec'd hooks.
func TestTwoPodhookRunsInAContainer(t *testing.T) {
	t.Parallel()
	hooks := "hooks: {prestart: {steps: [{" + note("prestart") + "}]}, reload: {steps: [{signal: USR1}]}}\n"
	const outer = `trap 'echo outer gets USR1 >>"$DIR/events"' USR1; %s "$0" run -- sh -c 'trap "echo inner gets USR1 >>\"$DIR/events\"" USR1; echo inner >>"$DIR/events"; while :; do sleep 0.01; done' & while :; do sleep 0.01; done`
	for name, row := range map[string]struct {
		env    string
		shared bool
		events []string
	}{
		"shared": {"", true, []string{"prestart", "inner", "outer gets USR1"}},
		"apart":  {`PODHOOK_STATE_DIR="$DIR/another"`, false, []string{"prestart", "prestart", "inner", "outer gets USR1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSandbox(t, hooks)
			l := s.liveWith(nil, "sh", "-c", strings.Replace(outer, "%s", row.env, 1), s.binary)
			s.happens("inner")
			if e := l.exec("hook", "reload"); e.code != 0 {
				t.Error(e)
			}
			s.happens("outer gets USR1")
			s.happened(row.events...)
			if says := strings.Contains(s.read("log"), "another podhook run of this container"); says != row.shared {
				t.Errorf("it says that the state is shared: %v; %s", says, s.read("log"))
			}
		})
	}
}
