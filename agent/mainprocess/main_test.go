package mainprocess

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/internal/testutil"
)

// roleVar makes the test binary play a program instead of running tests.
const roleVar = "MAINPROCESS_TEST_ROLE"

func TestMain(m *testing.M) {
	switch role := os.Getenv(roleVar); role {
	case "":
		os.Exit(m.Run())
	case "namespace":
		if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
			fmt.Fprintln(os.Stderr, "mount /proc:", err)
			os.Exit(3)
		}
		os.Unsetenv(roleVar)
		os.Setenv(namespaceVar, "true")
		os.Exit(m.Run())
	case "leaderless":
		leaderless()
	default:
		fmt.Fprintln(os.Stderr, "no such role:", role)
		os.Exit(3)
	}
}

// namespaceVar is set in a test binary that is process 1 of its PID namespace.
const namespaceVar = "MAINPROCESS_TEST_IN_NAMESPACE"

// inOwnNamespace runs the calling test again, as process 1 of a PID namespace
// of its own, and takes over its result. It is true in that one, and false in
// the caller, which has nothing left to do.
func inOwnNamespace(t *testing.T) bool {
	t.Helper()
	if os.Getenv(namespaceVar) != "" {
		return true
	}
	testutil.NeedRoot(t, "make a PID namespace")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=90s")
	cmd.Env = append(os.Environ(), roleVar+"=namespace")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID, Unshareflags: unix.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("in a PID namespace of its own: %v\n%s", err, out)
	}
	return false
}

// leaderless ends the first thread of this process while others live on, until
// stdin is closed.
func leaderless() {
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	leaveFirstThread()
}

func leaveFirstThread() {
	runtime.LockOSThread()
	if unix.Gettid() != os.Getpid() {
		go leaveFirstThread() // this thread is taken now: try the next one
		select {}
	}
	syscall.RawSyscall(syscall.SYS_EXIT, 0, 0, 0)
}

// start starts a program in a process group of its own, and ends the group when
// the test does.
func start(t *testing.T, argv ...string) *exec.Cmd {
	t.Helper()
	return startCmd(t, exec.Command(argv[0], argv[1:]...))
}

func startCmd(t *testing.T, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(cmd) })
	return cmd
}

// end kills the program's process group and reaps the program.
func end(cmd *exec.Cmd) {
	if cmd.ProcessState == nil {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		cmd.Wait()
	}
}

// program copies a program of the system to a new directory, so that its name
// and path are the test's own.
func program(t *testing.T, original, name string) string {
	t.Helper()
	text, err := os.ReadFile(original)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, text, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func sleeper(t *testing.T, name string) (path string, cmd *exec.Cmd) {
	t.Helper()
	path = program(t, "/bin/sleep", name)
	return path, start(t, path, "60")
}

func target(t *testing.T, format string, args ...any) Target {
	t.Helper()
	tg, err := Parse(fmt.Sprintf(format, args...))
	if err != nil {
		t.Fatal(err)
	}
	return tg
}

func lookFor(tg Target) (*Process, error) {
	p, _, err := tg.find(nil)
	return p, err
}

func find(t *testing.T, tg Target) *Process {
	t.Helper()
	p, err := lookFor(tg)
	if err != nil {
		t.Fatalf("%s: %v", tg, err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// wantError checks that the error is of type E and names what a person needs.
func wantError[E error](t *testing.T, err error, parts ...string) E {
	t.Helper()
	var e E
	if !errors.As(err, &e) {
		t.Fatalf("got error %v (%T), want a %T", err, err, e)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not say %q", err, part)
		}
	}
	return e
}

// checkLeaks fails the test if goroutines or descriptors are left at its end.
// Call it first: what is cleaned up later is cleaned up before it looks.
func checkLeaks(t *testing.T) {
	t.Helper()
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	t.Cleanup(func() {
		testutil.Eventually(t, fmt.Sprintf("no more than %d goroutines, %d descriptors", goroutines, files), func() bool {
			return runtime.NumGoroutine() <= goroutines && openFiles(t) <= files
		})
	})
}

func openFiles(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
