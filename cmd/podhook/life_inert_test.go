package main

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/internal/testutil"
)

// readOnly makes a command that runs argv as PID 1 where nothing can be written.
func (s *sandbox) readOnly(argv ...string) *exec.Cmd {
	s.t.Helper()
	needsRoot(s.t)
	shell := `for m in / /dev/shm /run /tmp; do mount --rbind $m $m && mount -o remount,bind,ro $m || exit 99; done; exec "$@"`
	words := []string{"--pid", "--mount", "--mount-proc", "--fork", "--kill-child", "--", "sh", "-c", shell, "sh"}
	return exec.Command("unshare", append(words, argv...)...)
}

// Without hooks and listener there is nothing of podhook to be seen, and no
// directory is needed.
func TestRunWithoutHooksIsInert(t *testing.T) {
	t.Parallel()
	for name, yaml := range map[string]string{"no configuration": "", "no steps": "hooks: {shutdown: {timeout: 10s}}\n"} {
		t.Run(name, func(t *testing.T) {
			s := newSandbox(t, yaml)
			s.without("PODHOOK_STATE_DIR")
			e := s.begin(s.readOnly(s.binary, "run", "--", "sh", "-c", "echo out; echo err >&2; exit 6")).wait(t)
			if e.code != 6 || e.stdout != "out\n" || e.stderr != "err\n" {
				t.Errorf("%v, want code 6 and the lines of CMD", e)
			}
			if e := s.once("--", "sh", "-c", "kill -TERM $$"); e.code != 143 || e.stdout+e.stderr != "" {
				t.Error(e)
			}
		})
	}
}

// Its stop signals go through at once, PODHOOK_STOP_SIGNAL in their place.
func TestInertRunPassesStopSignalsOn(t *testing.T) {
	t.Parallel()
	for env, gets := range map[string]string{"": "SIGTERM", "PODHOOK_STOP_SIGNAL=QUIT": "SIGQUIT"} {
		t.Run(gets, func(t *testing.T) {
			s := newSandbox(t, "", "PODHOOK_STATE_DIR=/proc/podhook")
			if env != "" {
				s.env = append(s.env, env)
			}
			l := s.served()
			l.send(syscall.SIGTERM)
			l.ends(serverCode)
			s.happened("main starts", "main gets "+gets)
			if text := s.read("log"); text != "" {
				t.Errorf("podhook says %q", text)
			}
		})
	}
}

// If podhook is disabled it executes CMD, even if other settings are broken.
func TestDisabledRunExecutesCMD(t *testing.T) {
	t.Parallel()
	for name, env := range map[string]string{"": "", "broken variable": "PODHOOK_LISTENN=:80", "broken value": "PODHOOK_GRACE_PERIOD=soon"} {
		t.Run(name, func(t *testing.T) {
			s := newSandbox(t, "hooks: broken\n", "PODHOOK_DISABLED=true", "PODHOOK_STATE_DIR=/proc/podhook")
			if env != "" {
				s.env = append(s.env, env)
			}
			e := s.once("--", "sh", "-c", "echo $$; exit 6")
			if e.code != 6 || e.stdout != "1\n" || e.stderr != "" {
				t.Errorf("%v, want CMD as PID 1", e)
			}
		})
	}
}

// A hook needs no directory but for its record; shutdown works without one.
func TestShutdownOnAReadOnlyRoot(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, "hooks: {shutdown: {steps: [{exec: [echo, drained]}]}, poststop: {steps: [{exec: [echo, cleaned]}]}}\n")
	s.without("PODHOOK_STATE_DIR")
	cmd := s.readOnly(s.binary, "run", "--", "sh", "-c", `trap "exit 3" TERM; echo up; while :; do sleep 0.02; done`)
	r, w := pipe(t)
	cmd.Stdout = w
	run := s.begin(cmd)
	w.Close()
	text := following(r)
	testutil.Eventually(t, "CMD runs", func() bool { return strings.Contains(text(), "up\n") })
	pid := children(cmd.Process.Pid)[0]
	began := time.Now()
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if e := run.wait(t); e.code != 3 {
		t.Error(e)
	}
	testutil.Within(t, time.Since(began), 0, 20*time.Second)
	contains(t, text(), "not recorded", "line=drained", "line=cleaned")
}

// without takes a variable away.
func (s *sandbox) without(name string) {
	var env []string
	for _, entry := range s.env {
		if !strings.HasPrefix(entry, name+"=") {
			env = append(env, entry)
		}
	}
	s.env = env
}

// following reads a pipe to its end.
func following(r *os.File) func() string {
	var text lockedText
	go func() {
		for buffer := make([]byte, 4096); ; {
			n, err := r.Read(buffer)
			text.add(buffer[:n])
			if err != nil {
				return
			}
		}
	}()
	return text.String
}
