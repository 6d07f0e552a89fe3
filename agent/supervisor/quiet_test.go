package supervisor_test

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

	"github.com/podhook/podhook/internal/testutil"
)

// Without hooks and a listener there is not one line of its own.
func TestInert(t *testing.T) {
	needRoot(t)
	rule(t, options{}, func(t *testing.T, i initProgram) error {
		argv, _ := i.argv(options{}, []string{"sh", "-c", "kill -TERM $$"})
		got, err := conditions{Container: true}.run(argv...)
		if err == nil && (got.stdout != "" || got.stderr != "" || got.code != 143) {
			err = fmt.Errorf("%+v", got)
		}
		return err
	})
}

func TestWarnsOnceWhereNotPID1(t *testing.T) {
	got, err := conditions{}.run(podhook, "run", "--", "sh", "-c", "exit 6")
	if err != nil {
		t.Fatal(err)
	}
	if got.code != 6 || got.stdout != "" || strings.Count(got.stderr, "\n") != 1 || !strings.Contains(got.stderr, "subreaper") {
		t.Errorf("%+v", got)
	}
	got, err = conditions{}.run(podhook, "run", "-s", "--", "sh", "-c", "exit 6")
	if err != nil || got.code != 6 || got.stderr != "" {
		t.Errorf("with -s: %+v, %v", got, err)
	}
}

// The kernel tells the thread that has started CMD of its end. Without hooks that is the main
// thread, so no other one wakes.
func TestMainThreadReaps(t *testing.T) {
	strace := testutil.NeedProgram(t, "strace", "strace")
	if out, err := exec.Command(strace, "-f", "true").CombinedOutput(); err != nil {
		t.Skipf("strace needs ptrace(2), which is denied here: %v %s", err, out)
	}
	trace := filepath.Join(t.TempDir(), "trace")
	cmd := exec.Command(strace, "-f", "-o", trace, "-e", "trace=execve,wait4", podhook, "run", "-s", "--", "cat")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	main := ""
	testutil.Eventually(t, "CMD runs, and the main thread waits for SIGCHLD", func() bool {
		text, _ := os.ReadFile(trace)
		main, _, _ = strings.Cut(string(text), " ")
		pid, _ := strconv.Atoi(main)
		return strings.Count(string(text), "execve(") > 1 && statusSet(pid, "SigBlk")&(1<<(syscall.SIGCHLD-1)) == 0
	})
	stdin.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	by := ""
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, "WIFEXITED") {
			by, _, _ = strings.Cut(line, " ")
		}
	}
	if by != main {
		t.Errorf("thread %s reaps CMD, want %s\n%s", by, main, text)
	}
}

// resources are what leaks: threads, descriptors, kB of memory.
func resources(pid int) (threads, descriptors, memory int) {
	threads, _ = strconv.Atoi(status(pid, "Threads"))
	memory, _ = strconv.Atoi(strings.TrimSuffix(status(pid, "RssAnon"), " kB"))
	fds, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return threads, len(fds), memory
}

func TestLeaksNothing(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	made := filepath.Join(dir, "made")
	// Two rounds: what the first one costs for ever is no leak.
	script := `round() { for n in $(seq $1); do (true &); done; echo > $2; }
trap : WINCH; round $1 $2; while [ -e $2 ]; do sleep 0.05; done; round $1 $2; exec sleep 99`
	rule(t, options{}, func(t *testing.T, i initProgram) error {
		n := i.rounds(10000)
		_ = os.Remove(made)
		argv, _ := i.argv(options{}, []string{"bash", "-c", script, "bash", strconv.Itoa(n / 2), made})
		cmd := conditions{Container: true}.command(argv...)
		if err := cmd.Start(); err != nil {
			return err
		}
		defer endAll(cmd)
		if err := round(cmd.Process.Pid, made, n/2); err != nil {
			return err
		}
		threads, descriptors, memory := resources(cmd.Process.Pid)
		if err := os.Remove(made); err != nil {
			return err
		}
		if err := round(cmd.Process.Pid, made, n/2); err != nil {
			return err
		}
		threads2, descriptors2, memory2 := resources(cmd.Process.Pid)
		t.Logf("threads %d then %d, descriptors %d then %d, anonymous kB %d then %d", threads, threads2, descriptors, descriptors2, memory, memory2)
		if threads2 > threads+2 || descriptors2 > descriptors || memory2 > memory+512 {
			return fmt.Errorf("threads %d then %d, descriptors %d then %d, anonymous kB %d then %d", threads, threads2, descriptors, descriptors2, memory, memory2)
		}
		return nil
	})
}

// round waits until a round of orphans has been made and reaped, and sends n signals
// meanwhile.
func round(pid int, made string, n int) error {
	for range n {
		if err := syscall.Kill(pid, syscall.SIGWINCH); err != nil {
			return err
		}
		time.Sleep(50 * time.Microsecond)
	}
	for range 6 {
		if err := testutil.Until(10*time.Second, "the orphans are made", func() bool { _, err := os.Stat(made); return err == nil }); err == nil {
			break
		}
	}
	return testutil.Until(10*time.Second, "no zombie", func() bool { dead, _ := zombies(pid); return dead == 0 })
}

// An idle init is not woken. TEST_IDLE=60s watches it longer.
func TestIdleIsIdle(t *testing.T) {
	needRoot(t)
	still := 3 * time.Second
	if text := os.Getenv("TEST_IDLE"); text != "" {
		var err error
		if still, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	rule(t, options{}, func(t *testing.T, i initProgram) error {
		argv, _ := i.argv(options{}, []string{"sleep", "1000"})
		cmd := conditions{Container: true}.command(argv...)
		if err := cmd.Start(); err != nil {
			return err
		}
		defer endAll(cmd)
		if err := testutil.Until(10*time.Second, "CMD runs", func() bool { _, all := zombies(cmd.Process.Pid); return all == 1 }); err != nil {
			return err
		}
		// Go's runtime settles within a second; then nothing may happen.
		if err := testutil.Until(10*time.Second, "it is still for half a second", func() bool {
			before := switches(cmd.Process.Pid)
			time.Sleep(500 * time.Millisecond)
			return switches(cmd.Process.Pid) == before
		}); err != nil {
			return err
		}
		before := switches(cmd.Process.Pid)
		time.Sleep(still)
		// Go's runtime looks round once a minute (proc.go, forcegcperiod / 2).
		if woken := switches(cmd.Process.Pid) - before; woken > 2*int(still/time.Minute) {
			return fmt.Errorf("woken %d times in %v", woken, still)
		}
		return nil
	})
}

// switches counts how often the threads of pid have gone to sleep.
func switches(pid int) int {
	tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	sum := 0
	for _, task := range tasks {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/status", pid, task.Name()))
		for line := range strings.Lines(string(text)) {
			if value, ok := strings.CutPrefix(line, "voluntary_ctxt_switches:"); ok {
				n, _ := strconv.Atoi(strings.TrimSpace(value))
				sum += n
			}
		}
	}
	return sum
}
