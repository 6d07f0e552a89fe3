package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/internal/testutil"
)

// poststop gets the end of CMD, and podhook has the exit code of CMD.
func TestPoststopFollowsCMD(t *testing.T) {
	t.Parallel()
	rows := map[string]struct {
		cmd, event string
		code       int
	}{
		"0":                 {"exit 0", "poststop 0 ", 0},
		"7":                 {"exit 7", "poststop 7 ", 7},
		"255":               {"exit 255", "poststop 255 ", 255},
		"SIGKILL as by OOM": {"kill -KILL $$", "poststop 137 SIGKILL", 137},
		"SIGSEGV":           {"kill -SEGV $$", "poststop 139 SIGSEGV", 139},
		"SIGTERM":           {"kill -TERM $$", "poststop 143 SIGTERM", 143},
	}
	tabled(t, rows, func(t *testing.T, row struct {
		cmd, event string
		code       int
	}) {
		s := newSandbox(t, "hooks: {poststop: {steps: [{"+poststopNote+"}]}}\n")
		e := s.once("--", "sh", "-c", row.cmd)
		if e.code != row.code {
			t.Errorf("exit code %d, want %d", e.code, row.code)
		}
		s.happened(row.event)
	})
}

// A poststop that has run by hand runs again at the end, and further calls of hooks do
// not delay the end.
func TestPoststopAfterCallsByHand(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, "hooks: {poststop: {steps: [{"+poststopNote+"}]}, slow: {steps: [{"+script(`trap "" TERM; sleep 0.2`)+"}]}}\n", "PODHOOK_LISTEN=127.0.0.1:0", "PODHOOK_TOKEN="+token)
	l := s.served()
	if e := l.exec("hook", "poststop"); e.code != 0 {
		t.Error(e)
	}
	address := l.agent()
	for range 3 {
		go func() {
			for {
				if _, err := get(address, "/hooks/slow?force=true"); err != nil {
					return // the agent has gone
				}
			}
		}()
	}
	began := time.Now()
	if e := l.exec("signal", "TERM"); e.code != 0 {
		t.Error(e)
	}
	l.ends(serverCode)
	testutil.Within(t, time.Since(began), 0, 15*time.Second)
	s.happened("main starts", "poststop  ", "main gets SIGTERM", "poststop 3 ")
}

// A poststop that fails or hangs changes nothing of the exit code.
func TestPoststopDoesNotChangeTheExitCode(t *testing.T) {
	t.Parallel()
	for name, step := range map[string]string{
		"fails":            script("exit 1"),
		"hangs":            "timeout: 300ms, " + script("sleep 1000"),
		"cannot be run":    "exec: [/no/such/program]",
		"leaves a process": script("sleep 1000 &"),
	} {
		t.Run(name, func(t *testing.T) {
			s := newSandbox(t, "hooks: {poststop: {steps: [{"+step+"}]}}\n")
			e := s.once("-e", "42", "--", "sh", "-c", "exit 5")
			if e.code != 5 {
				t.Error(e)
			}
			testutil.Within(t, e.elapsed, 0, 20*time.Second)
			if e := s.once("-e", "42", "--", "sh", "-c", "exit 42"); e.code != 0 {
				t.Errorf("remapped: %v", e)
			}
			s.gone()
		})
	}
}

// CMD that cannot be executed leads to no hook after it.
func TestCMDThatCannotBeExecuted(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, "hooks: {prestart: {steps: [{"+note("prestart")+"}]}, poststop: {steps: [{"+poststopNote+"}]}}\n")
	e := s.once("--", "/no/such/program")
	if e.code != 127 {
		t.Error(e)
	}
	contains(t, e.stderr, "/no/such/program")
	s.happened("prestart")
}

// CMD that ends while a preStop goes on, by it or by itself: the preStop is
// finished and answered, for kubelet to see no FailedPreStopHook.
func TestCMDEndsDuringAPreStop(t *testing.T) {
	t.Parallel()
	const hooks = `hooks:
  shutdown:
    timeout: 50s
    steps:
    - signal: TERM
    - wait: {exit: main}
    - {name: deregister, %s}
  poststop:
    steps: [{%s}]
`
	yaml := fmt.Sprintf(hooks, script(`sleep 0.3; echo deregistered >>"$DIR/events"`), poststopNote)
	t.Run("http", func(t *testing.T) {
		s := newSandbox(t, yaml, "PODHOOK_LISTEN=127.0.0.1:0")
		l := s.served()
		began := time.Now()
		if status := l.get("/shutdown"); status != 200 {
			t.Errorf("preStop got %d", status)
		}
		l.ends(serverCode)
		testutil.Within(t, time.Since(began), 0, 20*time.Second)
		s.happened("main starts", "main gets SIGTERM", "deregistered", "poststop 3 ")
	})
	t.Run("exec", func(t *testing.T) {
		for range 5 {
			s := newSandbox(t, yaml)
			l := s.served()
			began := time.Now()
			if e := l.exec("shutdown"); e.code != 0 {
				t.Errorf("preStop: %v", e)
			}
			l.ends(serverCode)
			testutil.Within(t, time.Since(began), 0, 20*time.Second)
			s.happened("main starts", "main gets SIGTERM", "deregistered", "poststop 3 ")
		}
	})
	t.Run("by itself", func(t *testing.T) {
		s := newSandbox(t, strings.Replace(yaml, "signal: TERM", "sleep: 200ms", 1), "PODHOOK_LISTEN=127.0.0.1:0")
		l := s.liveWith(nil, "sh", "-c", `echo up >>"$DIR/events"; until [ -e "$DIR/go" ]; do sleep 0.02; done; exit 4`)
		s.happens("up")
		answered := l.preStopBy("http")
		testutil.Eventually(t, "shutdown goes on", func() bool { return strings.Contains(s.read("state/hooks/shutdown/run.json"), "running") })
		s.write("go", "", 0o644)
		if !<-answered {
			t.Error("preStop has failed")
		}
		l.ends(4)
		s.happened("up", "deregistered", "poststop 4 ")
	})
}

// A sleep of shutdown ends when CMD has exited.
func TestCMDEndsWhileShutdownSleeps(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, "hooks: {shutdown: {timeout: 50s, steps: [{sleep: 40s}, {"+note("deregistered")+"}]}}\n", "PODHOOK_GRACE_PERIOD=60s")
	l := s.liveWith(nil, "sh", "-c", `echo up >>"$DIR/events"; until [ -e "$DIR/go" ]; do sleep 0.02; done; exit 4`)
	s.happens("up")
	began := time.Now()
	l.send(syscall.SIGTERM)
	testutil.Eventually(t, "shutdown goes on", func() bool { return strings.Contains(s.read("state/hooks/shutdown/run.json"), "running") })
	s.write("go", "", 0o644)
	l.ends(4)
	testutil.Within(t, time.Since(began), 0, 20*time.Second)
	s.happened("up", "deregistered")
	contains(t, s.read("log"), "hook=shutdown", "outcome=succeeded")
}

// An exec'd shutdown that is stuck does not keep the container for ever.
func TestStuckExecDoesNotKeepTheContainer(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, "hooks: {shutdown: {timeout: 50s, steps: [{killAfter: 500ms, "+script(`echo shutdown >>"$DIR/events"; sleep 1000`)+"}]}}\n",
		"PODHOOK_GRACE_PERIOD=3s", "PODHOOK_GRACE_MARGIN=500ms")
	l := s.served()
	preStop := s.begin(l.enter(s.binary, "shutdown"))
	s.happens("shutdown")
	worker := s.worker()
	if err := syscall.Kill(worker, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	l.send(syscall.SIGTERM)
	l.ends(serverCode)
	testutil.Within(t, time.Since(began), 0, 6*time.Second)
	preStop.wait(t)
	s.happened("main starts", "shutdown", "main gets SIGTERM")
}

// 500 orphans, some at once and some later, are reaped while steps run, and no
// step's status is lost.
func TestOrphansWhileStepsRun(t *testing.T) {
	t.Parallel()
	testutil.Slow(t)
	step := script(`i=0; while [ $i -lt 25 ]; do (sleep 0.1 &) ; (exit 3 &) ; i=$((i+1)); done; sleep 0.05; exit 0`)
	s := newSandbox(t, "hooks: {prestart: {steps: ["+strings.Repeat("{"+step+"}, ", 10)+"{"+note("prestart")+"}]}}\n")
	l := s.served()
	s.happened("prestart", "main starts")
	testutil.Eventually(t, "no zombie is left", func() bool {
		for _, pid := range children(l.pid) {
			if zombie(pid) {
				return false
			}
		}
		return true
	})
	for _, step := range s.inside(l, "prestart").Steps {
		if step.Outcome != "succeeded" {
			t.Errorf("step %s: %s %s", step.Name, step.Outcome, step.Error)
		}
	}
}

// Under PID 1 too, a timeout ends the processes of its step in other sessions, and the
// background processes of a successful step live on.
func TestStraysUnderPID1(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, `hooks:
  prestart:
    steps:
    - {name: good, `+script(`setsid sleep 1001 &`)+`}
    - {name: bad, timeout: 500ms, killAfter: 200ms, onFailure: continue, `+script(`(setsid sh -c 'trap "" TERM; sleep 1002 & wait' &); sleep 1003`)+`}
`)
	l := s.liveWith([]string{"--prestart=background"}, "sleep", "1000")
	testutil.Eventually(t, "prestart has ended", func() bool { return strings.Contains(s.read("log"), "outcome=timed_out") })
	var left []string
	for _, pid := range s.alive() {
		if line := commandLine(pid); strings.HasPrefix(line, "sleep 100") {
			left = append(left, line)
		}
	}
	if got := strings.Join(left, ","); !strings.Contains(got, "sleep 1000") || !strings.Contains(got, "sleep 1001") || len(left) != 2 {
		t.Errorf("left are %q, want sleep 1000 and sleep 1001", left)
	}
	l.stop()
	s.gone()
}

// A restart is a new instance: everything is done again, nothing stale counts.
func TestRestartOfTheContainer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := newSandbox(t, "hooks: {prestart: {marker: "+dir+"/marker, steps: [{"+script(`test -e "`+dir+`/marker" && echo stale >>"$DIR/events"; echo prestart >>"$DIR/events"; test -e "$DIR/go"`)+"}]}}\n")
	s.write("go", "", 0o644)
	l := s.served()
	if _, err := os.Stat(dir + "/marker"); err != nil {
		t.Error("no marker:", err)
	}
	l.send(syscall.SIGTERM)
	l.ends(serverCode)
	main := strings.Fields(s.read("state/main"))
	s.write("address", "", 0o644)
	l = s.served()
	if e := l.exec("signal", "HUP"); e.code != 0 {
		t.Error(e)
	}
	s.happens("main gets SIGHUP")
	if now := strings.Fields(s.read("state/main")); len(main) != 3 || len(now) != 3 || now[0] == main[0] {
		t.Errorf("main is %q after %q", now, main)
	}
	s.happened("prestart", "main starts", "main gets SIGTERM", "prestart", "main starts", "main gets SIGHUP")
	l.stop()
	// A start that fails takes the marker of the one before away.
	if err := os.Remove(s.path("go")); err != nil {
		t.Fatal(err)
	}
	if e := s.once("--", "true"); e.code != 1 {
		t.Error(e)
	}
	if _, err := os.Stat(dir + "/marker"); !os.IsNotExist(err) {
		t.Error("the stale marker is there:", err)
	}
}
