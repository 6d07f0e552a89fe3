package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/internal/testutil"
)

// A mistake in a command's words is exit code 2 and names the word.
func TestUsageErrors(t *testing.T) {
	const noSuch = `there is no hook "no-such"; there are other, poststop, prestart, shutdown`
	s := newSandbox(t, countedHooks)
	for _, c := range []struct {
		args string
		want string
	}{
		{"prestrat", `no command "prestrat", did you mean "prestart"?`},
		{"xyzzy", `no command "xyzzy"`},
		{"prestart now", `prestart: "now"`},
		{"prestart --froce", "prestart: there is no flag --froce, did you mean --force?"},
		{"prestart --force=maybe", `prestart: --force: "maybe": allowed are true and false`},
		{"prestart --xyzzy", "prestart: there is no flag --xyzzy; podhook help prestart lists them"},
		{"preStop", "write podhook shutdown"},
		{"PreStop", "write podhook shutdown"},
		{"pre-stop", "write podhook shutdown"},
		{"postStart", "write podhook prestart"},
		{"preStart", "write podhook prestart"},
		{"other", "write podhook hook other"},
		{"poststop", "write podhook hook poststop"},
		{"help prestrat", `no command "prestrat", did you mean "prestart"?`},
		{"help a b", "help: one command is needed"},
		{"completion tcsh", `completion: "tcsh": allowed are bash, zsh and fish`},
		{"check --grace 30", `check: --grace: "30": a duration needs a unit: write 30s`},
		{"http --timeout 3 http://x", `http: --timeout: "3": a duration needs a unit: write 3s`},
		{"http --timeout", "http: --timeout needs a value"},
		{"shutdown a b", `shutdown: "a"`},
		{"hook", "hook: the name of one hook is needed"},
		{"hook a b", "hook: the name of one hook is needed"},
		{"hook no-such", noSuch},
		{"plan no-such", noSuch},
		{"wait no-such", noSuch},
		{"logs no-such", noSuch},
		{"hook othre", `there is no hook "othre", did you mean "other"?`},
		{"logs preStop", `there is no hook "preStop", did you mean "shutdown"?`},
		{"status x", `status: "x"`},
		{"status -o yaml", `status: -o: "yaml": allowed are table and json`},
		{"plan other --trigger x", `plan: --trigger: "x": allowed are exec, http, signal, start and watch`},
		{"logs other --tail x", `logs: --tail: "x": a number of lines is needed`},
		{"logs other --tail -1", `logs: --tail: "-1": a number of lines is needed`},
		{"run --grop -- true", "run: there is no flag --grop"},
		{"run", "run: no command: podhook run [flags] -- CMD ARG..."},
		{"logs", "logs: the name of one hook is needed"},
		{"logs UPPER", `there is no hook "UPPER"`},
		{"logs ../x", `there is no hook "../x"`},
		{"wait", "wait: one of HOOK, --file, --gone, --tcp, --http, --metric, --connections, --quiet and --exit is needed"},
		{"wait prestart --file /x", "wait: one of HOOK, --file, --gone, --tcp, --http, --metric, --connections, --quiet and --exit is needed"},
		{"wait --tcp localhost", `wait: --tcp: "localhost"`},
		{"wait prestart --timeout 5", `"5"`},
		{"wait prestart --timeout -1s", `wait: --timeout: "-1s"`},
		{"signal", "signal: one signal is needed"},
		{"signal TREM", `signal: "TREM"`},
		{"signal TERM", "set PODHOOK_MAIN"},
		{"sleep", "sleep: one duration is needed"},
		{"sleep 5 5", "sleep: one duration is needed"},
		{"sleep 5x", `sleep: "5x"`},
		{"sleep -- -5s", `sleep: "-5s"`},
		{"sleep -1s", `sleep: "-1s": a duration from 0s to 24h is needed`},
		{"sleep 25h", `sleep: "25h"`},
		{"sleep NaN", `sleep: "NaN"`},
		{"sleep 1e300", `sleep: "1e300"`},
		{"check x y", `check: "y"`},
		{"serve x", `serve: "x"`},
		{"version x", `version: "x"`},
		{"hook-worker prestart", "podhook's own command"},
	} {
		e := s.run(strings.Fields(c.args)...)
		if e.code != 2 || !strings.Contains(e.stderr, c.want) || e.stdout != "" {
			t.Errorf("podhook %s: %v\nwant code 2 and %q", c.args, e, c.want)
		}
	}
	if e := s.run(); e.code != 2 || !strings.Contains(e.stderr, "podhook help COMMAND") {
		t.Errorf("without a command: %v", e)
	}
	if got := s.read("ran"); got != "" {
		t.Errorf("a mistake has run %q", got)
	}
}

// A broken setting stops every command that reads them, and names itself.
func TestBrokenSettings(t *testing.T) {
	s := newSandbox(t, countedHooks, "PODHOOK_LISTENN=:1", "PODHOOK_GRACE_PERIOD=soon")
	for _, name := range []string{"prestart", "status", "serve", "wait prestart", "logs prestart"} {
		e := s.expect(2, strings.Fields(name)...)
		contains(t, e.stderr, "PODHOOK_LISTENN: there is no such setting", "PODHOOK_LISTEN?", `PODHOOK_GRACE_PERIOD: "soon"`)
	}
	// What Kubernetes injects for a Service called podhook does no harm.
	s = newSandbox(t, countedHooks, "PODHOOK_PORT=tcp://10.0.0.1:8080", "PODHOOK_SERVICE_HOST=10.0.0.1", "PODHOOK_SERVICE_PORT=8080",
		"PODHOOK_PORT_8080_TCP_ADDR=10.0.0.1")
	s.expect(0, "prestart")
}

func TestCheck(t *testing.T) {
	s := newSandbox(t, countedHooks)
	contains(t, s.expect(0, "check").stdout, s.path("podhook.yaml"), "is good", "2 steps")
	if got := s.read("ran"); got != "" {
		t.Errorf("check has run %q", got)
	}
	s.configure("hooks:\n  prestart:\n    setps: []\n  shutdown:\n    timeout: soon\n")
	e := s.expect(2, "check")
	contains(t, e.stdout, s.path("podhook.yaml")+":3", `"steps"`, s.path("podhook.yaml")+":5", `"soon"`)
	s.configure("hooks:\n  shutdown:\n    steps: [{signal: QUIT}]\n")
	contains(t, s.expect(0, "check").stdout, "warning", s.path("podhook.yaml")+":3", "hooks.shutdown, step signal-QUIT", "PODHOOK_MAIN")
	s.configure("hooks:\n  shutdown:\n    timeout: 50s\n    steps: [{exec: ['true'], timeout: 45s}]\n")
	e = s.expect(0, "check")
	contains(t, e.stdout, "warning", "30s")
}

// A broken configuration stops a hook before anything runs, also in the middle
// of an instance that never had a good one.
func TestBrokenConfiguration(t *testing.T) {
	s := newSandbox(t, "hooks:\n  prestart:\n    steps: [{exec: echo}]\n")
	for _, name := range []string{"prestart", "shutdown", "serve", "status", "wait prestart"} {
		contains(t, s.expect(2, strings.Fields(name)...).stderr, s.path("podhook.yaml")+":3")
	}
	// Once there was a good one it stays in force, loudly.
	s.configure(countedHooks)
	s.expect(0, "hook", "other")
	s.configure("hooks: nonsense\n")
	e := s.expect(0, "prestart")
	contains(t, e.stderr, "the last good one is in force", s.path("podhook.yaml")+":1")
	if got := s.read("ran"); got != "other\nprestart\n" {
		t.Errorf("ran %q", got)
	}
}

func TestSleep(t *testing.T) {
	s := newSandbox(t, "")
	for _, c := range []struct {
		word  string
		least time.Duration
	}{{"0", 0}, {"0.3", 300 * time.Millisecond}, {"300ms", 300 * time.Millisecond}, {"1", time.Second}} {
		testutil.Within(t, s.expect(0, "sleep", c.word).elapsed, c.least, c.least+10*time.Second)
	}
	for sig, code := range map[syscall.Signal]int{syscall.SIGTERM: 143, syscall.SIGINT: 130} {
		call := s.deaf("sleep", "30s")
		call.signal(t, sig)
		if e := call.wait(t); e.code != code || e.elapsed > 20*time.Second {
			t.Errorf("after %v: %v, want code %d", sig, e, code)
		}
	}
}

// deaf starts the binary with SIGHUP ignored, as nohup(1) does, and waits until it
// has subscribed to its stop signals: only then does the runtime of Go catch a signal
// that was ignored at the start.
func (s *sandbox) deaf(args ...string) *running {
	s.t.Helper()
	call := s.begin(exec.Command("sh", append([]string{"-c", `trap "" HUP; exec "$@"`, "sh", s.binary}, args...)...))
	testutil.Eventually(s.t, "the command catches its stop signals", func() bool { return catches(call.cmd.Process.Pid, syscall.SIGHUP) })
	return call
}

// catches reports whether a process has a handler for a signal (proc_pid_status(5)).
func catches(pid int, sig syscall.Signal) bool {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, rest, _ := strings.Cut(string(text), "SigCgt:\t")
	mask, _, _ := strings.Cut(rest, "\n")
	bits, err := strconv.ParseUint(mask, 16, 64)
	return err == nil && bits&(1<<(sig-1)) != 0
}

func TestWaitForAHook(t *testing.T) {
	s := newSandbox(t, gated)
	e := s.expect(124, "wait", "prestart", "--timeout", "0s")
	contains(t, e.stderr, "hook prestart", "has not run in this instance")
	testutil.Within(t, e.elapsed, 0, 10*time.Second)
	waiter := s.start("wait", "prestart", "--timeout", "35s")
	call := s.start("prestart")
	s.began(1)
	contains(t, s.expect(124, "wait", "--timeout=0s", "prestart").stderr, "its last run: running")
	e = s.expect(124, "wait", "prestart", "--timeout", "500ms")
	testutil.Within(t, e.elapsed, 500*time.Millisecond, 10*time.Second)
	s.open()
	if e := call.wait(t); e.code != 0 {
		t.Error(e)
	}
	if e := waiter.wait(t); e.code != 0 {
		t.Error(e)
	}
	s.expect(0, "wait", "prestart", "--timeout", "0s")
}

func TestWaitIsInterrupted(t *testing.T) {
	s := newSandbox(t, "")
	call := s.deaf("wait", "--file", s.path("never"), "--timeout", "35s")
	call.signal(t, syscall.SIGTERM)
	if e := call.wait(t); e.code != 143 || e.elapsed > 20*time.Second {
		t.Errorf("%v, want code 143", e)
	}
}

func TestWaitForAFile(t *testing.T) {
	s := newSandbox(t, "")
	e := s.expect(124, "wait", "--file", s.path("go"), "--timeout", "300ms")
	testutil.Within(t, e.elapsed, 300*time.Millisecond, 10*time.Second)
	contains(t, e.stderr, "waited 300ms for file "+s.path("go"), "it does not exist")
	waiter := s.start("wait", "--file", s.path("go"), "--timeout", "35s")
	s.open()
	if e := waiter.wait(t); e.code != 0 {
		t.Error(e)
	}
	testutil.Within(t, s.expect(0, "wait", "--file", s.path("go")).elapsed, 0, 10*time.Second)
}

func TestWaitForAPort(t *testing.T) {
	s := newSandbox(t, "")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	s.expect(0, "wait", "--tcp", address, "--timeout", "0s")
	listener.Close()
	e := s.expect(124, "wait", "--tcp", address, "--timeout", "300ms")
	testutil.Within(t, e.elapsed, 300*time.Millisecond, 10*time.Second)
	contains(t, e.stderr, "tcp "+address, "refused")
}

// A port whose connections hang takes no longer than the timeout either.
func TestWaitForAPortThatHangs(t *testing.T) {
	testutil.Slow(t)
	s := newSandbox(t, "")
	address := fullPort(t)
	e := s.expect(124, "wait", "--tcp", address, "--timeout", "300ms")
	testutil.Within(t, e.elapsed, 300*time.Millisecond, 1900*time.Millisecond)
	e = s.expect(124, "wait", "--tcp", address, "--timeout", "0s")
	testutil.Within(t, e.elapsed, time.Second, 10*time.Second) // one look has its own time
}

// fullPort is a port whose queue is full, so that the kernel drops new connections.
func fullPort(t *testing.T) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", name.(*unix.SockaddrInet4).Port)
	for range 20 {
		conn, err := net.DialTimeout("tcp", address, 300*time.Millisecond)
		if err != nil {
			return address
		}
		t.Cleanup(func() { conn.Close() })
	}
	t.Fatal("the queue does not fill")
	return ""
}

func TestStatusTable(t *testing.T) {
	s := newSandbox(t, "hooks: {prestart: {steps: [{name: odd, "+script(`printf "\033[31mred\n"; exit 9`)+"}]}, mine: {steps: [{sleep: 1ms}]}}\n")
	s.expect(1, "prestart")
	out := s.expect(0, "status").stdout
	contains(t, out, "prestart", "failed", "exec", "exited with code 9", "shutdown", "mine", "not run in this instance", s.path("state"))
	if strings.Contains(out, "\033") {
		t.Errorf("an escape sequence of a step reaches the terminal: %q", out)
	}
	st := s.status()
	if len(st.Hooks) != 4 || st.Hooks[0].Name != "prestart" || st.StateDir != s.path("state") || len(st.Instance) != 16 {
		t.Errorf("status %+v", st)
	}
}

// The main process of a pidfile gets the signal. If it has exited, that is a success.
func TestSignal(t *testing.T) {
	s := newSandbox(t, "hooks: {shutdown: {steps: [{signal: USR1}]}}\n")
	s.env = append(s.env, "PODHOOK_MAIN=pidfile:"+s.path("pid"))
	main := exec.Command("sh", "-c", `trap 'echo USR1 >>"$DIR/got"' USR1; trap 'echo HUP >>"$DIR/got"' HUP; echo $$ >"$DIR/pid.new"; mv "$DIR/pid.new" "$DIR/pid"; while :; do sleep 0.02; done`)
	run := s.begin(main)
	testutil.Eventually(t, "main is ready", func() bool { return s.read("pid") != "" })
	contains(t, s.expect(0, "signal", "HUP").stdout, "SIGHUP sent to the main process")
	testutil.Eventually(t, "HUP has come", func() bool { return s.read("got") == "HUP\n" })
	s.expect(0, "shutdown")
	testutil.Eventually(t, "USR1 has come", func() bool { return s.read("got") == "HUP\nUSR1\n" })
	if sent := s.record("shutdown").Totals.SignalsSent; sent["SIGUSR1"] != 1 {
		t.Errorf("signals counted: %v", sent)
	}
	contains(t, s.expect(0, "status").stdout, "main process", "pidfile:"+s.path("pid"))
	run.signal(t, syscall.SIGKILL)
	run.wait(t)
	// Others of this instance have seen it, whether its pidfile is left or not.
	for range 2 {
		contains(t, s.expect(0, "signal", "TERM").stdout, "has exited already")
		contains(t, s.expect(0, "shutdown", "--force").stdout, "succeeded")
		contains(t, s.expect(0, "logs", "shutdown").stdout, "SIGUSR1 not sent: pidfile:", "has exited already")
		s.expect(0, "wait", "--exit", "main", "--timeout", "0s")
		_ = os.Remove(s.path("pid"))
	}
}

// A step that signals a main process that is not configured is an error before anything
// runs.
func TestSignalStepNeedsAMainProcess(t *testing.T) {
	s := newSandbox(t, `hooks:
  prestart:
    steps:
    - exec: [sh, -c, 'echo prestart >>"$DIR/ran"']
  shutdown:
    steps:
    - exec: [sh, -c, 'echo shutdown >>"$DIR/ran"']
    - signal: QUIT
`)
	for _, command := range []string{"serve", "shutdown"} {
		contains(t, s.expect(2, command).stderr, s.path("podhook.yaml")+":8", "hooks.shutdown, step signal-QUIT", "set PODHOOK_MAIN")
	}
	s.expect(0, "prestart") // has no such step
	if got := s.read("ran"); got != "prestart\n" {
		t.Errorf("ran %q", got)
	}
}

// PODHOOK_DISABLED=true turns hooks off even if the configuration is broken.
func TestDisabled(t *testing.T) {
	for _, yaml := range []string{countedHooks, "hooks: nonsense\n"} {
		s := newSandbox(t, yaml, "PODHOOK_DISABLED=true", "PODHOOK_LISTEN=127.0.0.1:0")
		for _, args := range [][]string{{"prestart"}, {"shutdown"}, {"hook", "other"}, {"prestart", "--force"}} {
			contains(t, s.expect(0, args...).stdout, "bypassed, PODHOOK_DISABLED is true")
		}
		s.expect(0, "wait", "prestart", "--timeout", "0s")
		a, err := get(s.serve(), "/prestart")
		if err != nil || a.status != 200 || !a.Bypassed {
			t.Errorf("HTTP: %+v, %v", a, err)
		}
		if got := s.read("ran"); got != "" {
			t.Errorf("ran %q", got)
		}
	}
}
