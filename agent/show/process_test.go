package show

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/internal/testutil"
)

// childEnv makes the test binary a small program that writes to its log.
const childEnv = "SHOW_TEST_CHILD"

const childLines = 3000

func TestMain(m *testing.M) {
	if name := os.Getenv(childEnv); name != "" {
		if err := child(name); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child writes lines to a log and then says on stderr how many were lost.
func child(name string) error {
	w := OwnLog()
	switch name {
	case "termination":
		childTermination(os.Args[1])
		return nil
	case "pid 1":
		if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
			return err
		}
		if pid := os.Getpid(); pid != 1 {
			return fmt.Errorf("PID is %d, want 1", pid)
		}
		w = ContainerLog()
	case "pause":
		return childPause()
	case "first":
		if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
			return err
		}
		return again("hook", nil, nil)
	case "hook":
		_, err := fmt.Fprintln(ContainerLog(), "from a hook")
		return err
	}
	for i := range childLines {
		if _, err := w.Write([]byte(numbered(i))); err != nil {
			return err
		}
	}
	w.Flush()
	fmt.Fprintln(os.Stderr, w.Dropped())
	return nil
}

// childPause is PID 1 of a pod with shareProcessNamespace. It starts the first process
// of a container, whose root is another mount and whose stdout another file.
func childPause() error {
	return again("first", os.NewFile(3, "log"), &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Unshareflags: syscall.CLONE_NEWNS})
}

// again runs this program as another child.
func again(name string, stdout *os.File, attr *syscall.SysProcAttr) error {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), childEnv+"="+name)
	cmd.SysProcAttr = attr
	if stdout != nil {
		cmd.Stdout = stdout
	}
	cmd.Stderr = os.Stderr
	return cmd.Run()
}

// run runs a child whose stdout is a pipe that nobody reads before its end, and
// checks that every line arrived whole or was counted.
func run(t *testing.T, name string, attr *syscall.SysProcAttr) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), childEnv+"="+name)
	cmd.SysProcAttr = attr
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = w, &stderr
	began := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	timer := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
	err = cmd.Wait()
	timer.Stop()
	if took := time.Since(began); err != nil || took > 15*time.Second {
		t.Fatalf("the child ended after %v: %v\n%s", took, err, stderr.String())
	}
	var text bytes.Buffer
	if _, err := text.ReadFrom(r); err != nil {
		t.Fatal(err)
	}
	got := checkLines(t, text.String())
	if want := fmt.Sprintln(childLines - got); got == 0 || got == childLines || stderr.String() != want {
		t.Errorf("%d of %d lines arrived, and it counts %s as lost", got, childLines, strings.TrimSpace(stderr.String()))
	}
}

func TestOwnLogIsThisProcessesStdout(t *testing.T) { run(t, "own", nil) }

func TestPID1LogIsTheContainersStdout(t *testing.T) {
	testutil.NeedRoot(t, "make a PID namespace")
	run(t, "pid 1", &syscall.SysProcAttr{
		Cloneflags:   syscall.CLONE_NEWPID | syscall.CLONE_NEWNS,
		Unshareflags: syscall.CLONE_NEWNS, // makes the mounts private
	})
}

// With shareProcessNamespace PID 1 is the pod's pause, whose log nobody reads.
func TestContainerLogWithAnotherPID1(t *testing.T) {
	testutil.NeedRoot(t, "make a PID namespace")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), childEnv+"=pause")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS, Unshareflags: syscall.CLONE_NEWNS}
	var pause, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = &pause, &stderr, []*os.File{w}
	err = cmd.Run()
	w.Close()
	var text bytes.Buffer
	_, _ = text.ReadFrom(r)
	if err != nil || text.String() != "from a hook\n" || pause.Len() != 0 {
		t.Errorf("%v %s\nthe container's log is %q, PID 1's %q", err, stderr.String(), text.String(), pause.String())
	}
}

// asNobody runs a child as a user who may not write the files of the test.
func asNobody(t *testing.T, name string, args ...string) (stdout string) {
	t.Helper()
	testutil.NeedRoot(t, "start a process of another user")
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), childEnv+"="+name)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}
