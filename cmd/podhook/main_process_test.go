package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/internal/testutil"
)

// A main process that was never seen can be alive: no step about it succeeds, and none
// waits for it.
func TestMainProcessNeverSeen(t *testing.T) {
	s := newSandbox(t, `hooks:
  shutdown: {timeout: 28s, steps: [{name: quit, signal: QUIT, onFailure: continue}, {name: exit, wait: {exit: main}, onFailure: continue}]}
`)
	without := s.env
	script := s.write("run.sh", "#!/bin/sh -e\n", 0o755)
	empty := s.write("empty.pid", "", 0o644)
	stale := s.write("stale.pid", "4194304\n", 0o644)
	for main, why := range map[string]string{
		"name:no-such-main":             "name:no-such-main not found",
		"name:gocheck-no-such":          "visible processes has this name",
		"exe:" + script:                 "a script has no exe of its own: its process runs /bin/sh; use name:run.sh",
		"exe:/no/such/main":             "visible processes runs this program",
		"pid:4194304":                   "there is no process 4194304",
		"pidfile:" + s.path("none.pid"): "there is no such file",
		"pidfile:" + empty:              "it is empty",
		"pidfile:" + stale:              "there is no process 4194304",
	} {
		s.env = append(without[:len(without):len(without)], "PODHOOK_MAIN="+main)
		e := s.expect(1, "shutdown")
		testutil.Within(t, e.elapsed, 0, 15*time.Second)
		contains(t, e.stderr, why)
		for _, step := range s.record("shutdown").Steps {
			if step.Outcome != "failed" {
				t.Errorf("%s: %+v", main, step)
			}
			contains(t, step.Error, why)
		}
		contains(t, s.expect(1, "signal", "TERM").stderr, why)
		contains(t, s.expect(1, "signal", "--to", main, "TERM").stderr, why)
		for _, timeout := range []string{"0s", "30s"} {
			e = s.expect(1, "wait", "--exit", "main", "--timeout", timeout)
			contains(t, e.stderr, "wait for exit of the main process: ", why)
			testutil.Within(t, e.elapsed, 0, 15*time.Second)
		}
		contains(t, s.expect(0, "status").stdout, main, why)
		if err := os.RemoveAll(s.path("state")); err != nil {
			t.Fatal(err)
		}
	}
}

// A CMD that has become another user gets no signal of a root that lacks CAP_KILL.
// No step and no line says that it got one, or that it was killed.
func TestSignalsThatAreDenied(t *testing.T) {
	t.Parallel()
	for _, group := range []string{"", "-g"} {
		s := newSandbox(t, `hooks:
  shutdown: {steps: [{name: reload, signal: HUP, onFailure: continue}]}
`, "PODHOOK_GRACE_PERIOD=3s")
		s.shared("app")
		flags := strings.Fields(group)
		cmd := `exec 2>/dev/null; trap 'touch $DIR/app/told' TERM HUP; until touch "$DIR/app/up"; do :; done; until [ -e "$DIR/end" ]; do sleep 0.02; done`
		// That another process of its group can be signalled does not help CMD.
		argv := append(append([]string{s.binary, "run"}, flags...), "--",
			"sh", "-c", `(trap "" HUP TERM USR1; exec sleep 600) & exec "$@"`, "sh",
			"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c", cmd)
		l := s.contained(argv, "setpriv", "--bounding-set=-kill")
		testutil.Eventually(t, "CMD has become another user", func() bool { return exists(s.path("app/up")) })
		l.send(syscall.SIGTERM)
		const denied = "(sh) of user 65534: operation not permitted; root lacks the capability CAP_KILL: add KILL"
		for _, sig := range []string{"SIGTERM", "SIGKILL"} {
			testutil.Eventually(t, sig+" is said to be lost", func() bool {
				return strings.Contains(s.read("log"), `signal lost, the main process did not get it`) &&
					strings.Contains(s.read("log"), " signal="+sig+" ")
			})
		}
		l.send(syscall.SIGUSR1) // goes through without a hook
		testutil.Eventually(t, "SIGUSR1 is said to be lost", func() bool { return strings.Contains(s.read("log"), " signal=SIGUSR1 ") })
		if step := s.inside(l, "shutdown").Steps[0]; step.Outcome != "failed" || !strings.Contains(step.Error, denied) {
			t.Errorf("%+v", step)
		}
		s.write("end", "", 0o644)
		l.ends(0)
		log := s.read("log")
		contains(t, log, denied, "cannot send SIGHUP to the main process")
		if strings.Contains(log, "killed") || strings.Contains(log, "SIGHUP sent") || strings.Contains(s.read("termination"), "killed") {
			t.Errorf("it says what did not happen:\n%s\n%s", log, s.read("termination"))
		}
		if exists(s.path("app/told")) {
			t.Fatal("CMD got a signal: nothing was denied")
		}
	}
}

// A step of another user outlives its timeout where podhook may not kill it: so it is
// said, and no kill is counted.
func TestStepThatCannotBeKilled(t *testing.T) {
	needsRoot(t)
	s := newSandbox(t, "hooks: {slow: {steps: [{user: nobody, timeout: 200ms, killAfter: 100ms, exec: [sleep, '600']}]}}\n")
	e := s.begin(exec.Command("setpriv", "--bounding-set=-kill", s.binary, "hook", "slow")).wait(t)
	step := s.record("slow").Steps[0]
	if e.code != exitLate || step.Outcome != "timed_out" {
		t.Errorf("%v\n%+v", e, step)
	}
	contains(t, step.Error, "1 of its processes cannot be killed: podhook may not signal process", "(sleep) of user 65534", "CAP_KILL")
	if kills := s.record("slow").Totals.Kills; len(kills) > 0 {
		t.Errorf("counted %v", kills)
	}
}

// A seccomp profile can deny pidfds, or one use of them. Signals still arrive, and at no
// other process.
func TestSeccompDeniesPidfds(t *testing.T) {
	t.Parallel()
	for _, call := range []int{unix.SYS_PIDFD_OPEN, unix.SYS_PIDFD_SEND_SIGNAL} {
		for _, errno := range []syscall.Errno{syscall.EPERM, syscall.ENOSYS} {
			t.Run(fmt.Sprintf("%d %v", call, errno), func(t *testing.T) {
				t.Parallel()
				seccompDenies(t, call, errno)
			})
		}
	}
}

func seccompDenies(t *testing.T, call int, errno syscall.Errno) {
	s := newSandbox(t, `hooks:
  reload: {steps: [{signal: HUP}]}
  slow: {steps: [{timeout: 300ms, killAfter: 300ms, exec: [sh, -c, "setsid sleep 600 & setsid sh -c 'sleep 601; :' & sleep 602"]}]}
  shutdown: {steps: [{`+note("shutdown")+`}]}
`)
	denying := []string{"env", childEnv + "=1", os.Args[0], "deny", strconv.Itoa(int(errno)), strconv.Itoa(call)}
	l := s.servedBy(denying...)
	inside := func(args ...string) ended {
		t.Helper()
		return s.begin(l.enter(append(append(denying[:len(denying):len(denying)], s.binary), args...)...)).wait(t)
	}
	if e := inside("signal", "HUP"); e.code != 0 || !strings.Contains(e.stdout, "SIGHUP sent to the main process") {
		t.Error(e)
	}
	s.happens("main gets SIGHUP")
	if e := inside("hook", "reload"); e.code != 0 {
		t.Error(e)
	}
	testutil.Eventually(t, "a second HUP", func() bool { return strings.Count(s.read("events"), "SIGHUP") == 2 })
	if e := inside("hook", "slow"); e.code != exitLate {
		t.Error(e)
	}
	for _, line := range []string{"sleep 600", "sleep 601", "sleep 602"} {
		if s.count(line) > 0 {
			t.Errorf("%s survives its step", line)
		}
	}
	l.send(syscall.SIGTERM)
	l.ends(serverCode)
	s.happened("main starts", "main gets SIGHUP", "main gets SIGHUP", "shutdown", "main gets SIGTERM")

	// Of an exec'd hook that is stopped, nothing is left.
	alone := newSandbox(t, "hooks: {slow: {steps: [{exec: [sh, -c, 'setsid sleep 600 & sleep 602']}]}}\n")
	called := alone.begin(exec.Command(denying[0], append(denying[1:], alone.binary, "hook", "slow")...))
	testutil.Eventually(t, "its step runs", func() bool { return alone.count("sleep 600") == 1 && alone.count("sleep 602") == 1 })
	called.signal(t, syscall.SIGTERM)
	if e := called.wait(t); e.code != 143 {
		t.Error(e)
	}
	alone.gone()
}

// What is known at the start is said at the start.
func TestStartSaysWhatCannotBeSignalled(t *testing.T) {
	needsRoot(t)
	for _, args := range [][]string{{"serve"}, {"run", "--", "sleep", "5"}} {
		s := newSandbox(t, "", "PODHOOK_LISTEN=127.0.0.1:0")
		main := s.begin(exec.Command("sleep", "60"))
		s.env = append(s.env, fmt.Sprintf("PODHOOK_MAIN=pid:%d", main.cmd.Process.Pid))
		s.shared("state")
		log, err := os.Create(s.path("log"))
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close()
		cmd := exec.Command("setpriv", append([]string{"--reuid=65534", "--regid=65534", "--clear-groups", s.binary}, args...)...)
		cmd.Stdout = log
		s.begin(cmd)
		testutil.Eventually(t, "the log says it", func() bool { return strings.Contains(s.read("log"), "main process cannot be signalled") })
		contains(t, s.read("log"), "level=WARN", "(sleep) of user 0", "user 65534 lacks the capability CAP_KILL")
	}
}

// shared makes a directory that other users may write to.
func (s *sandbox) shared(name string) {
	s.t.Helper()
	if err := os.Mkdir(s.path(name), 0o777); err != nil {
		s.t.Fatal(err)
	}
	for dir, mode := range map[string]os.FileMode{filepath.Dir(s.dir): 0o755, s.dir: 0o755, s.path(name): 0o777} {
		if err := os.Chmod(dir, mode); err != nil {
			s.t.Fatal(err)
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
