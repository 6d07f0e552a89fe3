package process_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/process"
	"github.com/podhook/podhook/internal/testutil"
)

// Some rules need a process of their own: the test binary is started again with
// this set to the helper's name.
const helperVariable = "PROCESS_TEST_HELPER"

func TestMain(m *testing.M) {
	name := os.Getenv(helperVariable)
	if name == "" {
		os.Exit(m.Run())
	}
	os.Unsetenv(helperVariable)
	if err := helpers()[name](); err != nil {
		fmt.Println("FAILED:", err)
		os.Exit(1)
	}
}

// helpers report by what they print and by their error.
func helpers() map[string]func() error {
	return map[string]func() error{
		"limits": helpLimits,
		"files":  helpFiles,
		"nproc":  helpNproc,
		"pid1":   helpPID1,
		"noproc": helpNoProc,
		"worker": helpWorker,
		"marked": helpMarked, "descendants": helpDescendants,
		"user": helpUser,

		"leaderless": helpLeaderless,
	}
}

// startHelper runs a helper to its end. No reaper may be there meanwhile.
func startHelper(t *testing.T, name string, attr *syscall.SysProcAttr, wrap ...string) string {
	t.Helper()
	if attr != nil {
		testutil.NeedRoot(t, "make a PID namespace")
	}
	argv := append(wrap, testBinary(t))
	command := exec.Command(argv[0], argv[1:]...)
	command.Env = append(os.Environ(), helperVariable+"="+name)
	command.SysProcAttr = attr
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("helper %s: %v\n%s", name, err, out)
	}
	return string(out)
}

func testBinary(t testing.TB) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return self
}

// newReaper is the one reaper of a test. Tests of this package never run in
// parallel, and never use os/exec while they have one.
func newReaper(t testing.TB) *process.Reaper {
	t.Helper()
	r := process.NewReaper()
	t.Cleanup(r.Close)
	if err := r.Subreaper(); err != nil {
		t.Fatal(err)
	}
	return r
}

// lines collects output.
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) add(line process.Line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, string(line.Stream)+": "+string(line.Text))
}

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.all, "\n")
}

func (l *lines) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.all)
}

// shell is a run of a script, with marks of its own.
func shell(script string, l *lines) process.Spec {
	mark := "RUN=" + time.Now().Format(time.RFC3339Nano)
	spec := process.Spec{
		Argv:      []string{"sh", "-c", script},
		Env:       append(os.Environ(), mark),
		Marks:     []string{mark},
		KillAfter: 200 * time.Millisecond,
	}
	if l != nil {
		spec.OnLine = l.add
	}
	return spec
}

func mustRun(t testing.TB, r *process.Reaper, ctx context.Context, spec process.Spec) process.Result {
	t.Helper()
	result, err := r.Run(ctx, spec)
	if err != nil {
		t.Fatalf("run %q: %v", spec.Argv, err)
	}
	return result
}

// runFor runs a spec under a deadline.
func runFor(t testing.TB, r *process.Reaper, d time.Duration, spec process.Spec) process.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	return mustRun(t, r, ctx, spec)
}

// awaitPids waits until a script has written n pids into a file, one a line.
func awaitPids(t testing.TB, file string, n int) []int {
	t.Helper()
	var pids []int
	await(t, fmt.Sprintf("%d pids in the file", n), func() bool {
		text, _ := os.ReadFile(file)
		pids = nil
		for _, field := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(field); err == nil {
				pids = append(pids, pid)
			}
		}
		return len(pids) == n && strings.HasSuffix(string(text), "\n")
	})
	return pids
}

func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

// alive tells whether a process is there and not a zombie.
func alive(pid int) bool {
	state := stateOf(pid)
	return state != "" && state != "Z" && state != "X"
}

// stateOf is the state letter in /proc/PID/stat; empty: no such process.
func stateOf(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	state, _, _ := strings.Cut(rest, " ")
	return state
}

// children lists our children, zombies included.
func children() (pids []int) {
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		_, rest, _ := strings.Cut(string(text), ") ")
		if fields := strings.Fields(rest); len(fields) > 1 && fields[1] == strconv.Itoa(os.Getpid()) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// endAll kills what a test left behind, and waits for it.
func endAll(t testing.TB, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		syscall.Kill(pid, syscall.SIGKILL)
		await(t, "a killed process is gone", func() bool { return !alive(pid) })
	}
}
