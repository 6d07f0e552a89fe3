package mainprocess

import (
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/process/seccomptest"
	"github.com/podhook/podhook/hooks/procfs"
	"github.com/podhook/podhook/internal/testutil"
)

// startAs starts a program that gets a certain PID, which must be free, in the
// test's own PID namespace.
func startAs(t *testing.T, pid int, argv ...string) *exec.Cmd {
	t.Helper()
	for range 1000 {
		// The kernel hands out the next number; threads of ours may be faster.
		last := []byte(strconv.Itoa(pid - 1))
		if err := os.WriteFile("/proc/sys/kernel/ns_last_pid", last, 0); err != nil {
			t.Fatal(err)
		}
		cmd := start(t, argv...)
		if cmd.Process.Pid == pid {
			return cmd
		}
		end(cmd)
	}
	t.Fatalf("PID %d could not be had", pid)
	return nil
}

// awaitTickAfter waits until a new process has a later start time. Without a
// pidfd, and in an Identity, two of the same clock tick are the same.
func awaitTickAfter(t *testing.T, start uint64) {
	t.Helper()
	testutil.Eventually(t, "a later clock tick", func() bool { return procfs.Now() > start })
}

// recycle tests every kind of target on a PID that has gone to another process.
func recycle(t *testing.T) {
	path := program(t, "/bin/sleep", "recycled-main")
	const pid = 20000
	main := startAs(t, pid, path, "60")
	pidfile := writePidfile(t, strconv.Itoa(pid))
	byPID := newFinder(t, target(t, "pid:%d", pid))
	byFile := newFinder(t, target(t, "pidfile:%s", pidfile))
	byExe := newFinder(t, target(t, "exe:%s", path))
	held := current(t, byExe)
	for _, f := range []*Finder{byPID, byFile} {
		if p := current(t, f); p.Identity() != held.Identity() {
			t.Fatalf("%s: found %s, want %s", f.Target(), p.Identity(), held.Identity())
		}
	}
	end(main)
	awaitTickAfter(t, held.start)
	other := startAs(t, pid, "/bin/sleep", "61")

	if held.Alive() {
		t.Error("the main process counts as alive when its PID is taken by another one")
	}
	if gone, err := held.Signal(syscall.SIGKILL); !gone || err != nil {
		t.Errorf("signal: gone %v, error %v", gone, err)
	}
	if err := held.WaitExit(t.Context()); err != nil {
		t.Errorf("wait: %v", err)
	}
	_, err := byPID.Current()
	wantError[*GoneError](t, err)
	_, err = byFile.Current()
	if e := wantError[*GoneError](t, err); !e.Recycled {
		t.Errorf("pidfile: %+v", e)
	}
	_, err = byExe.Current()
	if e := wantError[*GoneError](t, err); !e.Recycled {
		t.Errorf("exe: %+v", e)
	}
	if s, err := procfs.Proc.Stat(pid); err != nil || s.Exited() {
		t.Errorf("the other process was signalled: %+v, %v", s, err)
	}

	// The same program again, with the same PID: a new main process.
	end(other)
	startAs(t, pid, path, "60")
	// A name is no promise of one process: the next one counts.
	if p := current(t, byExe); p.PID() != pid || p.Identity() == held.Identity() {
		t.Errorf("found %s, after %s", p.Identity(), held.Identity())
	}
	_, err = byPID.Current()
	wantError[*GoneError](t, err)
}

func TestRecycledPIDIsNotSignalled(t *testing.T) {
	if inOwnNamespace(t) {
		recycle(t)
	}
}

// A seccomp profile may deny what a pidfd is got by, or what it is used by.
func TestWithoutPidfdOpen(t *testing.T)        { withoutPidfd(t, syscall.EPERM, unix.SYS_PIDFD_OPEN) }
func TestWithoutPidfdSend(t *testing.T)        { withoutPidfd(t, syscall.EPERM, unix.SYS_PIDFD_SEND_SIGNAL) }
func TestPidfdOpenNotImplemented(t *testing.T) { withoutPidfd(t, syscall.ENOSYS, unix.SYS_PIDFD_OPEN) }
func TestPidfdSendNotImplemented(t *testing.T) {
	withoutPidfd(t, syscall.ENOSYS, unix.SYS_PIDFD_SEND_SIGNAL)
}

func withoutPidfd(t *testing.T, errno syscall.Errno, call uintptr) {
	if !inOwnNamespace(t) {
		return
	}
	if err := seccomptest.Deny(errno, call); err != nil {
		t.Fatal(err)
	}
	if _, _, got := unix.Syscall6(call, ^uintptr(0), 0, 0, 0, 0, 0); got != errno {
		t.Fatalf("system call %d gives %v, want %v", call, got, errno)
	}
	checkLeaks(t)
	recycle(t)
	TestFindByEachKind(t)
	TestFindNoZombie(t)
	TestFindTakesNoThread(t)
	TestSignalReachesHandler(t)
	TestSignalToProcessThatHasGone(t)
	TestWaitExitOfZombieAndReaped(t)
	TestWaitExitOfNonChild(t)
	TestWaitExitEndsWithContextAndClose(t)
	p := find(t, target(t, "pid:%d", start(t, "/bin/sleep", "60").Process.Pid))
	if call == unix.SYS_PIDFD_OPEN && p.pidfd != nil {
		t.Error("there is a pidfd all the same")
	}
}
