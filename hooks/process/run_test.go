package process_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/process"
	"github.com/podhook/podhook/internal/testutil"
)

const shellPath = "/bin/sh"

func itoa(n int) string { return strconv.Itoa(n) }

func TestRunReportsHowTheLeaderEnded(t *testing.T) {
	r := newReaper(t)
	for _, c := range []struct {
		script string
		code   int
		signal syscall.Signal
	}{
		{"exit 0", 0, 0},
		{"exit 1", 1, 0},
		{"exit 255", 255, 0},
		{"kill -TERM $$", 143, syscall.SIGTERM},
		{"kill -KILL $$", 137, syscall.SIGKILL},
	} {
		got := mustRun(t, r, context.Background(), shell(c.script, nil))
		if got.ExitCode != c.code || got.Signal != c.signal || got.Stopped != "" || got.Background {
			t.Errorf("%q: %+v, want code %d, signal %d", c.script, got, c.code, c.signal)
		}
		if got.Sent != (process.Sent{}) {
			t.Errorf("%q: signals sent: %+v", c.script, got.Sent)
		}
	}
}

func TestRunGivesTheProgramItsSurroundings(t *testing.T) {
	r := newReaper(t)
	dir := t.TempDir()
	var l lines
	spec := process.Spec{
		Argv:   []string{"/bin/sh", "-c", `pwd; cat; echo "A=$A"; set -- $(cat /proc/self/stat); echo "$5"; echo $$; readlink /proc/self/fd/0`},
		Env:    []string{"A=1", "PATH=/bin:/usr/bin"},
		Dir:    dir,
		OnLine: l.add,
	}
	mustRun(t, r, context.Background(), spec)
	got := strings.Split(strings.ReplaceAll(l.text(), "stdout: ", ""), "\n")
	if len(got) != 5 {
		t.Fatalf("output %q", got)
	}
	if got[0] != dir || got[1] != "A=1" || got[4] != "/dev/null" {
		t.Errorf("working directory, variable, input: %q", got)
	}
	if got[2] != got[3] {
		t.Errorf("process group %s, pid %s: not the leader of its own", got[2], got[3])
	}
}

// Nothing of ours but the three standard descriptors may reach the program.
func TestRunLeaksNoDescriptor(t *testing.T) {
	r := newReaper(t)
	passed := map[string]bool{"0": true, "1": true, "2": true}
	for fd := 3; fd < 1024; fd++ {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			passed[itoa(fd)] = true // this test was started with it
		}
	}
	var l lines
	mustRun(t, r, context.Background(), shell("exec ls -l /proc/self/fd", &l))
	if l.count() < 4 {
		t.Fatalf("output %q", l.text())
	}
	for _, line := range strings.Split(l.text(), "\n") {
		link, target, ok := strings.Cut(line, " -> ")
		fd := link[strings.LastIndex(link, " ")+1:]
		if ok && !passed[fd] && !strings.HasSuffix(target, "/fd") { // ls's own
			t.Errorf("descriptor %s of %s has leaked", fd, target)
		}
	}
}

// Go raises the soft RLIMIT_NOFILE of this process at its start.
func TestRunRestoresLimits(t *testing.T) {
	out := startHelper(t, "limits", nil, "sh", "-c", `ulimit -Sn 77; exec "$0"`)
	if out != "77\n" {
		t.Errorf("the program's limit is %q, want what podhook was started with: 77", out)
	}
}

func helpLimits() error {
	var own syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &own); err != nil {
		return err
	}
	if own.Cur == 77 {
		return fmt.Errorf("the runtime did not raise the limit: this test proves nothing")
	}
	r := process.NewReaper()
	defer r.Close()
	spec := shell("ulimit -Sn", nil)
	spec.OnLine = func(line process.Line) { fmt.Println(string(line.Text)) }
	_, err := r.Run(context.Background(), spec)
	return err
}

func TestRunStartsNothingAfterTheEnd(t *testing.T) {
	r := newReaper(t)
	file := t.TempDir() + "/ran"
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	late, cancel := context.WithDeadline(context.Background(), time.Now().Add(-time.Second))
	defer cancel()
	for ctx, want := range map[context.Context]process.Cause{
		cancelled: process.Interrupted, late: process.TimedOut,
	} {
		got := mustRun(t, r, ctx, shell("echo >"+file, nil))
		if got.Stopped != want || got.ExitCode != -1 {
			t.Errorf("%+v, want %s and -1", got, want)
		}
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("the program was started")
	}
}

// A leader that exits by itself is not stopped, however near the end was.
func TestExitAndDeadlineAtTheSameMoment(t *testing.T) {
	testutil.Slow(t)
	r := newReaper(t)
	for i := range 50 {
		got := runFor(t, r, time.Duration(18+i%5)*time.Millisecond, shell("exec sleep 0.02", nil))
		switch got.Stopped {
		case "":
			if got.ExitCode != 0 || got.Sent.Term != 0 {
				t.Fatalf("not stopped, but %+v", got)
			}
		case process.TimedOut:
			// SIGTERM may come too late for a leader that is exiting.
			if got.ExitCode != 143 && got.ExitCode != 0 {
				t.Fatalf("stopped, but %+v", got)
			}
		default:
			t.Fatalf("%+v", got)
		}
	}
	await(t, "no child", func() bool { return len(children()) == 0 })
}
