package state

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// childEnv makes the test binary one of the small programs below, so that the
// tests run against real processes.
const childEnv = "STATE_TEST_CHILD"

func TestMain(m *testing.M) {
	if name := os.Getenv(childEnv); name != "" {
		if err := child(name, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func child(name string, args []string) error {
	switch name {
	case "hold":
		return childHold(args[0])
	case "owners":
		return childOwners(args[0], args[1] == "try")
	case "write-forever":
		return childWriteForever(args[0])
	case "run":
		return childRun(args[0])
	case "trusted":
		return childTrusted()
	case "open":
		return childOpen(args[0])
	}
	return fmt.Errorf("no child %q", name)
}

// command is the test binary as the program called name.
func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", args...)
	cmd.Env = childEnviron(name)
	cmd.Stderr = os.Stderr
	return cmd
}

// childEnviron spares the second that a program built with -race sleeps at its end.
func childEnviron(name string) []string {
	return append(os.Environ(), childEnv+"="+name, "GORACE=atexit_sleep_ms=0")
}

// running is a started child that talks by lines.
type running struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func start(t *testing.T, cmd *exec.Cmd) *running {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := &running{cmd, in, bufio.NewReader(out)}
	t.Cleanup(r.kill)
	return r
}

// expect waits for the child's next line and compares it.
func (r *running) expect(t *testing.T, want string) {
	t.Helper()
	got, err := r.out.ReadString('\n')
	if strings.TrimSpace(got) != want {
		t.Fatalf("child said %q (%v), want %q", got, err, want)
	}
}

func (r *running) kill() {
	if r.cmd.ProcessState == nil {
		_ = r.cmd.Process.Signal(syscall.SIGKILL)
		_ = r.cmd.Wait()
	}
}

func testStore(t testing.TB, o Options) *Store {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustLock(t testing.TB, h *Hook) *Lock {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	l, err := h.Lock(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func mustWrite(t testing.TB, l *Lock, r Record) {
	t.Helper()
	if err := l.Write(r); err != nil {
		t.Fatal(err)
	}
}

func mustRead(t testing.TB, h *Hook) Record {
	t.Helper()
	r, ok, err := h.Read()
	if err != nil || !ok {
		t.Fatalf("Read: ok %v, err %v", ok, err)
	}
	return r
}
