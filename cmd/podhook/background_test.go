package main

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/internal/testutil"
)

// A background process that a successful step leaves lives on and may go on
// printing; the caller of the exec is not held up by it.
func TestBackgroundProcessLivesOn(t *testing.T) {
	s := newSandbox(t, `hooks:
  prestart:
    steps:
    - name: start
      exec: [sh, -c, '(until [ -e "$DIR/go" ]; do sleep 0.02; done; i=0; while [ $i -lt 200 ]; do i=$((i+1)); echo late-$i; done; echo printed >"$DIR/printed"; exec sleep 1000) & echo $! >"$DIR/pid"; echo started']
    - name: next
      exec: [sh, -c, 'echo after it']
`)
	log, err := os.Create(s.path("log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	c := s.container(log, "sleep", "1000")
	e := c.exec("prestart") // reads stdout and stderr to their end
	if e.code != 0 {
		t.Fatal(e)
	}
	testutil.Within(t, e.elapsed, 0, 20*time.Second)
	s.open()
	testutil.Eventually(t, "the background process has printed", func() bool { return s.read("printed") != "" })
	testutil.Eventually(t, "its late lines are in PID 1's log", func() bool { return strings.Contains(s.read("log"), "late-200") })
	if n := strings.Count(s.read("log"), "line=late-"); n != 200 {
		t.Errorf("%d late lines in the log, want 200", n)
	}
	contains(t, c.exec("prestart").stdout, "succeeded already")
	if s.worker() == 0 || s.count("sleep 1000") != 2 { // it and PID 1
		t.Errorf("alive: %q", commandLines(s.alive()))
	}
	pid := strings.TrimSpace(s.read("pid"))
	if e := s.begin(c.enter("kill", "-KILL", pid)).wait(t); e.code != 0 {
		t.Fatal(e)
	}
	testutil.Eventually(t, "the worker has nobody to read from and ends", func() bool {
		return len(s.workers()) == 0
	})
}

func commandLines(pids []int) []string {
	var lines []string
	for _, pid := range pids {
		lines = append(lines, commandLine(pid))
	}
	return lines
}

// Nobody holds the hook's lock for a background process: it can be called again.
func TestBackgroundProcessHoldsNoLock(t *testing.T) {
	s := newSandbox(t, `hooks:
  prestart:
    steps:
    - exec: [sh, -c, 'sleep 1000 & echo $! >>"$DIR/pids"']
`)
	s.expect(0, "prestart")
	e := s.expect(0, "prestart", "--force")
	testutil.Within(t, e.elapsed, 0, 20*time.Second)
	pids := strings.Fields(s.read("pids"))
	if len(pids) != 2 {
		t.Fatalf("background processes %q, want 2", pids)
	}
	testutil.Eventually(t, "both background processes live", func() bool { return s.count("sleep 1000") == 2 })
}

// A timeout ends the processes of its step, and not those of an earlier, successful step.
func TestTimeoutSparesEarlierBackgroundProcesses(t *testing.T) {
	testutil.Slow(t)
	s := newSandbox(t, `hooks:
  prestart:
    steps:
    - {name: daemon, exec: [sh, -c, 'setsid sleep 1001 & sleep 1002 &']}
    - {name: hang, timeout: 500ms, killAfter: 300ms, exec: [sh, -c, 'setsid sleep 2001 & (setsid setsid sleep 2002 &) ; sleep 2003']}
`)
	e := s.expect(124, "prestart")
	testutil.Within(t, e.elapsed, 500*time.Millisecond, 15*time.Second)
	contains(t, e.stderr, "step hang: timed out after its timeout of 500ms")
	if n := s.count("sleep 2001") + s.count("sleep 2002") + s.count("sleep 2003"); n > 0 {
		t.Errorf("%d processes of the step have survived it", n)
	}
	testutil.Eventually(t, "the two of the step before live", func() bool { return s.count("sleep 1001") == 1 && s.count("sleep 1002") == 1 })
}

// A worker that stays behind lets go of the standard streams of the caller: kubelet
// waits until all of an exec are closed.
func TestDrainerLeavesTheCallersStreams(t *testing.T) {
	s := newSandbox(t, `hooks:
  prestart:
    steps:
    - exec: [sh, -c, 'sleep 1000 &']
`)
	cmd := s.command("prestart")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	call := s.begin(cmd)
	if e := call.wait(t); e.code != 0 {
		t.Fatal(e)
	}
	worker := s.worker()
	for fd := range []int{0, 1, 2} {
		target, err := os.Readlink("/proc/" + strconv.Itoa(worker) + "/fd/" + strconv.Itoa(fd))
		if err != nil || target != "/dev/null" {
			t.Errorf("descriptor %d of the worker is %s, %v", fd, target, err)
		}
	}
}

// A shutdown that runs again, because another main process has come, is guarded
// by a worker as the first one was.
func TestShutdownForANewMainProcess(t *testing.T) {
	s := newSandbox(t, `hooks:
  shutdown:
    steps:
    - exec: [sh, -c, '(until [ -e "$DIR/go" ]; do sleep 0.02; done; echo late; exec sleep 1000) & echo drained >>"$DIR/ran"']
`)
	s.env = append(s.env, "PODHOOK_MAIN=pidfile:"+s.path("pid"))
	for range 2 {
		main := s.begin(exec.Command("sleep", "1001"))
		s.write("pid", strconv.Itoa(main.cmd.Process.Pid), 0o644)
		contains(t, s.expect(0, "shutdown").stdout, "hook shutdown succeeded (run")
		contains(t, s.expect(0, "shutdown").stdout, "hook shutdown succeeded already")
		main.signal(t, syscall.SIGKILL)
		main.wait(t)
	}
	s.open()
	testutil.Eventually(t, "both have printed and live on", func() bool { return s.count("sleep 1000") == 2 })
	if got := s.read("ran"); got != "drained\ndrained\n" {
		t.Errorf("ran %q", got)
	}
}
