package process_test

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/process"
	"github.com/podhook/podhook/internal/testutil"
)

// newNamespaces needs root, or user namespaces.
func newNamespaces() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}
}

func TestAsPID1(t *testing.T) {
	if out := startHelper(t, "pid1", newNamespaces()); out != "" {
		t.Error(out)
	}
}

func helpPID1() error {
	if os.Getpid() != 1 {
		return fmt.Errorf("pid %d, want 1", os.Getpid())
	}
	if err := ownProc("proc"); err != nil {
		return err
	}
	r := process.NewReaper()
	defer r.Close()
	// Somebody's orphan, as an exec into the container leaves them.
	if err := orphan(r, "exec setsid sleep 61"); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	began := time.Now()
	got, err := r.Run(ctx, shell("env -i setsid sleep 60 & (setsid sleep 60 &); (env -i setsid sleep 60 &);"+
		"(setsid sleep 60 >/dev/null 2>&1 &); trap '' TERM; (env -i setsid sleep 61 >/dev/null 2>&1 &); sleep 60; sleep 60", nil))
	if err != nil || got.Stopped != process.TimedOut || got.Survivors != 0 || time.Since(began) > 5*time.Second {
		return fmt.Errorf("%+v, %v after %v", got, err, time.Since(began))
	}
	// The stray that gave up everything cannot be told from the orphan.
	if n := sleepers(); n != 2 {
		return fmt.Errorf("%d processes are left, want the 2 orphans", n)
	}
	return nil
}

// orphan starts a script whose process is a child of nobody but PID 1.
func orphan(r *process.Reaper, script string) error {
	_, exited, err := r.Start(func() (int, error) {
		return syscall.ForkExec(shellPath, []string{"sh", "-c", "env -i sh -c '" + script + "' & exit 0"},
			&syscall.ProcAttr{Files: []uintptr{0, 1, 2}, Env: os.Environ()})
	})
	if err == nil {
		<-exited
	}
	return err
}

// ownProc mounts a file system over /proc, for this process's mounts alone.
func ownProc(kind string) error {
	if err := syscall.Mount("", "/", "", syscall.MS_PRIVATE|syscall.MS_REC, ""); err != nil {
		return err
	}
	return syscall.Mount(kind, "/proc", kind, 0, "")
}

// sleepers counts our children that are no zombies.
func sleepers() (n int) {
	for _, pid := range children() {
		if alive(pid) {
			n++
		}
	}
	return n
}

func TestWithoutProc(t *testing.T) {
	testutil.Slow(t)
	if out := startHelper(t, "noproc", newNamespaces()); out != "" {
		t.Error(out)
	}
}

// Without /proc a run still ends, and its whole group with it. The same where
// /proc is that of an outer namespace, whose pids are not ours.
func helpNoProc() error {
	r := process.NewReaper()
	defer r.Close()
	for _, kind := range []string{"outer", "tmpfs"} {
		if kind == "tmpfs" {
			if err := ownProc(kind); err != nil {
				return err
			}
		}
		got, err := r.Run(context.Background(), shell("exit 5", nil))
		if err != nil || got.ExitCode != 5 {
			return fmt.Errorf("%s: %+v, %v", kind, got, err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		began := time.Now()
		got, err = r.Run(ctx, shell("trap '' TERM; sleep 60 & sleep 60; sleep 60", nil))
		took := time.Since(began)
		if err != nil || got.Stopped != process.TimedOut || got.Signal != syscall.SIGKILL || got.Background {
			return fmt.Errorf("%s: %+v, %v", kind, got, err)
		}
		if took < timeout || took > 5*time.Second || got.Sent != (process.Sent{Term: 1, Kill: 1}) {
			return fmt.Errorf("%s: %+v after %v", kind, got, took)
		}
	}
	return nil
}
