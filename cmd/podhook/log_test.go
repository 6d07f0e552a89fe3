package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/internal/testutil"
)

// eventful has a step for everything that can happen to one.
const eventful = `hooks:
  prestart:
    steps:
    - {name: render, exec: [sh, -c, 'echo rendering; echo careful >&2']}
    - {name: flaky, exec: [sh, -c, 'exit 75'], retries: 1, backoff: 1ms, onFailure: ignore}
    - {name: hangs, exec: [sh, -c, 'trap "" TERM; sleep 60'], timeout: 200ms, killAfter: 100ms, onFailure: ignore}
    - {name: later, sleep: 1ms, when: {trigger: [exec]}}
  shutdown:
    steps:
    - {name: broken, exec: ['false']}
    - {name: rest, sleep: 1ms}
`

// happenings are the lines of a log in the form for people, without their times.
func happenings(log string) (lines []string) {
	for line := range strings.Lines(log) {
		_, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		lines = append(lines, rest)
	}
	return lines
}

// inOrder fails unless the lines contain these texts in this order.
func inOrder(t *testing.T, lines []string, want ...string) {
	t.Helper()
	at := 0
	for _, line := range lines {
		if at < len(want) && strings.Contains(line, want[at]) {
			at++
		}
	}
	if at < len(want) {
		t.Errorf("%q is missing, or comes too early, in\n%s", want[at], strings.Join(lines, "\n"))
	}
}

// Everything that happens is told while it happens, failures that are ignored too.
func TestLogTellsWhatHappens(t *testing.T) {
	s := newSandbox(t, eventful, "PODHOOK_LOG_FORMAT=text")
	log, err := os.Create(s.path("log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := s.command("run", "--", "sleep", "60")
	cmd.Env, cmd.Stdout = s.env, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "the kill is told while prestart goes on", func() bool {
		return strings.Contains(s.read("log"), "prestart/hangs SIGTERM sent")
	})
	testutil.Eventually(t, "the main process runs", func() bool { return strings.Contains(s.read("log"), "main process started") })
	_ = cmd.Process.Signal(syscall.SIGTERM)
	_ = cmd.Wait()
	lines := happenings(s.read("log"))
	inOrder(t, lines,
		"prestart begins, called by start",
		"prestart/render | rendering",
		"WARN prestart/flaky attempt 1 of 2 failed: exited with code 75, next in 0.0 s",
		"WARN prestart/flaky failed: exited with code 75",
		"WARN prestart/hangs SIGTERM sent: timed out after its timeout of 200ms",
		"WARN prestart/hangs SIGKILL sent: timed out after its timeout of 200ms",
		"WARN prestart/hangs timed out after its timeout of 200ms",
		"prestart/later skipped: when: the run was begun by start, not by exec",
		"prestart succeeded after ",
		"main process started: sleep, pid ",
		"SIGTERM received: after shutdown the main process gets SIGTERM",
		"shutdown begins, called by signal",
		"WARN shutdown/broken failed: exited with code 1",
		"shutdown/rest skipped: an earlier step did not succeed",
		"ERROR shutdown failed after ",
		"signal sent to the main process (signal SIGTERM)",
		"main process was killed by SIGTERM after ",
	)
	inOrder(t, lines, "prestart/render ! careful")
	for _, line := range lines {
		if strings.Contains(line, "|") && !strings.Contains(line, "| rendering") {
			t.Errorf("podhook's own words look like output: %s", line)
		}
	}
	inOrder(t, strings.Split(s.expect(0, "logs", "prestart").stdout, "\n"), " render stdout rendering", " flaky podhook attempt 1 of 2 failed")
}

// In the form json every line of the log is an object, the errors of a start too.
func TestLogAsJSON(t *testing.T) {
	s := newSandbox(t, eventful, "PODHOOK_LOG_FORMAT=json")
	for name, c := range map[string]struct {
		yaml string
		code int
		want []string
	}{
		"a life":   {eventful, 0, []string{"hook began", "step output", "step", "step ended", "step skipped", "hook ended", "main process started", "main process ended"}},
		"a broken": {"hooks:\n  prestart:\n    timeout: 5\n    stpes: []\n", 2, []string{"podhook"}},
		"settings": {"hooks: {}\n", 2, []string{"podhook"}},
	} {
		s.configure(c.yaml)
		cmd := s.command("run", "--", "true")
		cmd.Env = slices.Clone(s.env)
		if name == "settings" {
			cmd.Env = append(cmd.Env, "PODHOOK_LISTENN=x")
		}
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		_ = cmd.Run()
		if code := cmd.ProcessState.ExitCode(); code != c.code {
			t.Errorf("%s: exit code %d, want %d", name, code, c.code)
		}
		seen := map[string]bool{}
		for line := range strings.Lines(out.String()) {
			var entry struct {
				Time       time.Time
				Level, Msg string
				Hook, Step string
			}
			if err := json.Unmarshal([]byte(line), &entry); err != nil || entry.Time.IsZero() || entry.Level == "" {
				t.Errorf("%s: %q: %v", name, line, err)
			}
			if seen[entry.Msg] = true; strings.HasPrefix(entry.Msg, "step") && (entry.Hook == "" || entry.Step == "") {
				t.Errorf("%s: %s names no hook or step", name, line)
			}
		}
		for _, msg := range c.want {
			if !seen[msg] {
				t.Errorf("%s: no entry %q in\n%s", name, msg, out.String())
			}
		}
	}
}

// terminal opens a pseudoterminal (pty(7)).
func terminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudoterminal here: %v", err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

// On a terminal a hook shows its output while it runs, and all of it.
func TestHookOnATerminalIsLive(t *testing.T) {
	s := newSandbox(t, "hooks:\n  mine:\n    steps:\n    - name: talk\n      exec: [sh, -c, 'seq 1000; until [ -e \"$DIR/go\" ]; do sleep 0.02; done; echo late']\n")
	master, slave := terminal(t)
	cmd := exec.Command(s.binary, "hook", "mine")
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = s.env, slave, slave, slave
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	shown, text := make(chan string), ""
	go func() {
		defer close(shown)
		buffer := make([]byte, 4096)
		for {
			n, err := master.Read(buffer)
			if err != nil { // EIO: nobody has the terminal open any more
				return
			}
			shown <- string(buffer[:n])
		}
	}()
	for !strings.Contains(text, "mine/talk | 1000") {
		more, open := <-shown
		if !open {
			t.Fatalf("the output ends before the hook does: %q", text)
		}
		text += more
	}
	if strings.Contains(text, "late") {
		t.Error("the whole output comes at the end")
	}
	s.open()
	for more := range shown {
		text += more
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	contains(t, text, "mine/talk | 1\r\n", "mine/talk | 500\r\n", "mine/talk | late\r\n", "podhook: hook mine succeeded (run ", "1 step, ")
	// Elsewhere it is bounded, and not live.
	if e := s.expect(0, "hook", "mine", "--force"); len(e.stdout+e.stderr) > 2048 || strings.Contains(e.stdout, "| 500") {
		t.Errorf("%v", e)
	}
}

// A command that only reads makes nothing: neither a state nor a file in it.
func TestReadingCommandsMakeNothing(t *testing.T) {
	s := newSandbox(t, "hooks:\n  prestart: {steps: [{sleep: 1ms}]}\n")
	for _, call := range []string{"status", "ready", "logs prestart", "plan prestart", "check", "wait prestart --timeout 0s", "version", "help", "complete logs x"} {
		s.run(strings.Fields(call)...)
		if _, err := os.Lstat(s.path("state")); !os.IsNotExist(err) {
			t.Errorf("podhook %s has made the state (%v)", call, err)
			_ = os.RemoveAll(s.path("state"))
		}
	}
	s.expect(0, "prestart")
	before := s.tree("state")
	for _, call := range []string{"status", "ready", "logs prestart", "plan prestart", "check", "wait prestart --timeout 0s", "wait shutdown --timeout 0s"} {
		s.run(strings.Fields(call)...)
		if after := s.tree("state"); after != before {
			t.Errorf("podhook %s changes the state from\n%s\nto\n%s", call, before, after)
		}
	}
}

// tree lists the files of a state with their sizes and times. The time of the directory
// itself is left out: plan and check try whether a file can be made there.
func (s *sandbox) tree(name string) string {
	out, err := exec.Command("find", s.path(name), "-mindepth", "1", "-printf", "%P %s %T@ %y\n").Output()
	if err != nil {
		s.t.Fatal(err)
	}
	return string(out)
}
