package main

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/internal/testutil"
)

// drainingStep goes on until the file drained is there.
const drainingStep = `{killAfter: 1s, exec: [sh, -c, 'echo shutdown >>"$DIR/events"; until [ -e "$DIR/drained" ]; do sleep 0.02; done; echo drained >>"$DIR/events"']}`

const draining = "hooks: {shutdown: {timeout: 50s, steps: [" + drainingStep + "]}}\n"

// CMD serves until shutdown has ended, and then gets the stop signal or
// PODHOOK_STOP_SIGNAL.
func TestShutdownRunsBeforeCMDIsTold(t *testing.T) {
	t.Parallel()
	rows := map[string]struct {
		env, flag string
		sig       syscall.Signal
		gets      string
	}{
		"TERM":                  {"", "", syscall.SIGTERM, "SIGTERM"},
		"INT":                   {"", "", syscall.SIGINT, "SIGINT"},
		"STOP_SIGNAL":           {"PODHOOK_STOP_SIGNAL=QUIT", "", syscall.SIGTERM, "SIGQUIT"},
		"STOPSIGNAL of nginx":   {"PODHOOK_STOP_SIGNALS=QUIT", "", syscall.SIGQUIT, "SIGQUIT"},
		"STOPSIGNAL rewritten":  {"PODHOOK_STOP_SIGNALS=WINCH", "--rewrite=WINCH=TERM", syscall.SIGWINCH, "SIGTERM"},
		"rewritten":             {"", "--rewrite=TERM=QUIT", syscall.SIGTERM, "SIGQUIT"},
		"rewritten to the stop": {"", "--rewrite=USR1=TERM", syscall.SIGUSR1, "SIGTERM"},
	}
	tabled(t, rows, func(t *testing.T, row struct {
		env, flag string
		sig       syscall.Signal
		gets      string
	}) {
		s := newSandbox(t, draining, "PODHOOK_GRACE_PERIOD=60s")
		var flags []string
		if row.flag != "" {
			flags = append(flags, row.flag)
		}
		if row.env != "" {
			s.env = append(s.env, row.env)
		}
		l := s.served(flags...)
		l.send(row.sig)
		s.happens("shutdown")
		for range 20 {
			if !s.answers() {
				t.Fatal("CMD does not answer while shutdown goes on")
			}
		}
		s.happened("main starts", "shutdown")
		s.write("drained", "", 0o644)
		l.ends(serverCode)
		s.happened("main starts", "shutdown", "drained", "main gets "+row.gets)
	})
}

// A signal that is no stop signal goes to CMD at once, even during shutdown.
func TestOtherSignalsGoThrough(t *testing.T) {
	t.Parallel()
	testutil.Slow(t)
	s := newSandbox(t, draining, "PODHOOK_STOP_SIGNALS=TERM")
	l := s.served()
	l.send(syscall.SIGHUP)
	s.happens("main gets SIGHUP")
	l.send(syscall.SIGTERM)
	s.happens("shutdown")
	l.send(syscall.SIGINT)
	l.ends(serverCode)
	if e := s.events(); e[3] != "main gets SIGINT" {
		t.Errorf("events %q", e)
	}
}

// A stop signal that is rewritten to 0 has no effect.
func TestDroppedStopSignal(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, "hooks: {shutdown: {steps: [{"+note("shutdown")+"}]}}\n")
	l := s.served("--rewrite", "TERM=0")
	l.send(syscall.SIGTERM)
	l.send(syscall.SIGHUP)
	s.happens("main gets SIGHUP")
	s.happened("main starts", "main gets SIGHUP")
	l.send(syscall.SIGINT)
	l.ends(serverCode)
	s.happened("main starts", "main gets SIGHUP", "shutdown", "main gets SIGINT")
}

// Another signal waits for CMD while prestart gates.
func TestOtherSignalWhilePrestartGates(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, "hooks: {prestart: {steps: [{"+script(`echo begins >>"$DIR/events"; until [ -e "$DIR/go" ]; do sleep 0.02; done; echo prestart >>"$DIR/events"`)+"}]}}\n")
	l := s.liveWith(nil, "sleep", "1000")
	s.happens("begins")
	l.send(syscall.SIGUSR1)
	s.write("go", "", 0o644)
	l.ends(128 + int(syscall.SIGUSR1))
	s.happened("begins", "prestart")
}

// CMD gets its signal at once where preStop has run shutdown.
func TestShutdownThatIsDoneIsNotRunAgain(t *testing.T) {
	t.Parallel()
	hooks := "hooks: {shutdown: {steps: [{" + note("shutdown") + "}]}}\n"
	for name, preStop := range map[string]func(*testing.T, life){
		"http": func(t *testing.T, l life) {
			if status := l.get("/shutdown"); status != 200 {
				t.Errorf("preStop got %d", status)
			}
		},
		"exec": func(t *testing.T, l life) {
			if e := l.exec("shutdown"); e.code != 0 {
				t.Error(e)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSandbox(t, hooks, "PODHOOK_LISTEN=127.0.0.1:0")
			l := s.served()
			preStop(t, l)
			s.happened("main starts", "shutdown")
			began := time.Now()
			l.send(syscall.SIGTERM)
			l.ends(serverCode)
			testutil.Within(t, time.Since(began), 0, 10*time.Second)
			s.happened("main starts", "shutdown", "main gets SIGTERM")
		})
	}
}

// The stop signal joins a run that may be the preStop of another container.
func TestStopJoinsAPreStop(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, draining, "PODHOOK_LISTEN=127.0.0.1:0", "PODHOOK_GRACE_PERIOD=60s")
	s.binary = plain
	l := s.served()
	preStop := l.preStopBy("http")
	s.happens("shutdown")
	l.send(syscall.SIGTERM)
	if !s.answers() {
		t.Error("CMD does not answer while preStop goes on")
	}
	s.write("drained", "", 0o644)
	if !<-preStop {
		t.Error("preStop has failed")
	}
	l.ends(serverCode)
	s.happened("main starts", "shutdown", "drained", "main gets SIGTERM")
}

// A second stop signal changes nothing; the third, or QUIT, goes through at once.
func TestImpatientStop(t *testing.T) {
	t.Parallel()
	rows := map[string]struct {
		env     string
		signals []syscall.Signal
		gets    string
	}{
		"third TERM":             {"", []syscall.Signal{syscall.SIGTERM, syscall.SIGTERM, syscall.SIGTERM}, "SIGTERM"},
		"third is INT":           {"", []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGINT}, "SIGINT"},
		"third with STOP_SIGNAL": {"PODHOOK_STOP_SIGNAL=HUP", []syscall.Signal{syscall.SIGTERM, syscall.SIGTERM, syscall.SIGTERM}, "SIGHUP"},
		"QUIT":                   {"", []syscall.Signal{syscall.SIGTERM, syscall.SIGQUIT}, "SIGQUIT"},
	}
	tabled(t, rows, func(t *testing.T, row struct {
		env     string
		signals []syscall.Signal
		gets    string
	}) {
		s := newSandbox(t, draining, "PODHOOK_GRACE_PERIOD=60s")
		if row.env != "" {
			s.env = append(s.env, row.env)
		}
		l := s.served()
		began := time.Now()
		last := len(row.signals) - 1
		for i, sig := range row.signals[:last] {
			l.send(sig)
			s.happens("shutdown")
			testutil.Eventually(t, "the signal has arrived", func() bool { return strings.Count(s.read("log"), "stop signal received") == i+1 })
			if !s.answers() {
				t.Error("CMD does not answer")
			}
		}
		s.happened("main starts", "shutdown")
		l.send(row.signals[last])
		s.happens("main gets " + row.gets)
		if row.gets == "SIGHUP" { // which does not end the server
			l.send(syscall.SIGQUIT)
		}
		l.ends(serverCode)
		testutil.Within(t, time.Since(began), 0, 25*time.Second)
		if n := strings.Count(s.read("events"), "shutdown"); n != 1 {
			t.Errorf("shutdown was started %d times", n)
		}
		contains(t, s.read("log"), "hook=shutdown", "outcome=interrupted")
		s.gone()
	})
}

// Three stop signals in one go may be faster than the shutdown that they end.
func TestImpatientBeforeShutdownHasBegun(t *testing.T) {
	t.Parallel()
	for range 10 {
		s := newSandbox(t, draining, "PODHOOK_GRACE_PERIOD=60s", "PODHOOK_STOP_SIGNALS=TERM,INT,QUIT")
		s.binary = plain
		l := s.served()
		began := time.Now()
		for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT} {
			l.send(sig)
		}
		l.run.wait(t)
		contains(t, s.read("events"), "main gets SIG")
		testutil.Within(t, time.Since(began), 0, 25*time.Second)
	}
}

// CMD gets stop signals that come when it has been told as from a plain init.
func TestStopSignalsAfterCMDWasTold(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, "hooks: {shutdown: {steps: [{"+note("shutdown")+"}]}}\n", "PODHOOK_GRACE_PERIOD=60s", "STUBBORN=yes")
	l := s.served()
	l.send(syscall.SIGTERM)
	s.happens("main gets SIGTERM")
	l.send(syscall.SIGINT)
	s.happens("main gets SIGINT")
	l.send(syscall.SIGKILL)
	<-l.run.done
	s.happened("main starts", "shutdown", "main gets SIGTERM", "main gets SIGINT")
}

// A shutdown that fails or hangs does not keep CMD from being stopped.
func TestFailedShutdownStopsCMD(t *testing.T) {
	t.Parallel()
	for name, step := range map[string]string{
		"failed":    script("exit 7"),
		"timed out": "timeout: 300ms, " + script("sleep 1000"),
		"no state":  note("shutdown"),
	} {
		t.Run(name, func(t *testing.T) {
			s := newSandbox(t, "hooks: {shutdown: {steps: [{name: drain, "+step+"}]}}\n")
			want := []string{"main starts", "main gets SIGTERM"}
			if name == "no state" {
				s.env = append(s.env, "PODHOOK_STATE_DIR=/proc/podhook")
				want = []string{"main starts", "shutdown", "main gets SIGTERM"}
			}
			l := s.served()
			began := time.Now()
			l.send(syscall.SIGTERM)
			l.ends(serverCode)
			testutil.Within(t, time.Since(began), 0, 20*time.Second)
			s.happened(want...)
			contains(t, s.read("termination"), "podhook: hook shutdown")
		})
	}
}

// The stop ends a prestart that runs alongside CMD.
func TestStopEndsABackgroundPrestart(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, "hooks: {prestart: {steps: [{"+script(`echo prestart >>"$DIR/events"; sleep 1000`)+"}]}, shutdown: {steps: [{"+note("shutdown")+"}]}}\n")
	l := s.live("--prestart=background")
	s.happens("prestart")
	s.happens("main starts")
	began := time.Now()
	l.send(syscall.SIGTERM)
	l.ends(serverCode)
	testutil.Within(t, time.Since(began), 0, 20*time.Second)
	contains(t, s.read("log"), "hook=prestart", "outcome=interrupted")
	if e := s.events(); strings.Join(e[2:], ",") != "shutdown,main gets SIGTERM" {
		t.Errorf("events %q", e)
	}
}

// Exec'd hooks and commands find CMD without PODHOOK_MAIN.
func TestExecFindsTheMainProcess(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, "hooks: {reload: {steps: [{signal: HUP}]}}\n")
	l := s.served()
	if e := l.exec("signal", "HUP"); e.code != 0 || !strings.Contains(e.stdout, "SIGHUP sent to the main process") {
		t.Error(e)
	}
	s.happens("main gets SIGHUP")
	if e := l.exec("hook", "reload"); e.code != 0 {
		t.Error(e)
	}
	testutil.Eventually(t, "a second HUP", func() bool { return strings.Count(s.read("events"), "SIGHUP") == 2 })
	// The container may end, and this command with it, before it can say so.
	if e := l.exec("signal", "TERM"); e.code != 0 && e.code != -int(syscall.SIGKILL) && e.code != 128+int(syscall.SIGKILL) {
		t.Error(e)
	}
	l.ends(serverCode)
}
