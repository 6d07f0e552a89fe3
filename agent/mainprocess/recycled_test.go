package mainprocess

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
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
	eventually(t, "a later clock tick", func() bool {
		var now unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
			t.Fatal(err)
		}
		return uint64(now.Nano()/1e7) > start
	})
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
	awaitTickAfter(t, held.StartTime())
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
	if s, err := readStat(pid); err != nil || s.exited() {
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

func TestWithoutPidfd(t *testing.T) {
	if !inOwnNamespace(t) {
		return
	}
	refusePidfd(t)
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
	if p.pidfd != nil {
		t.Error("there is a pidfd all the same")
	}
}

// refusePidfd makes the kernel refuse pidfd_open to this process for good, as an
// old seccomp profile does.
func refusePidfd(t *testing.T) {
	t.Helper()
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // seccomp_data.nr
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_PIDFD_OPEN, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		t.Fatal("seccomp: ", errno)
	}
	if _, err := unix.PidfdOpen(os.Getpid(), 0); !errors.Is(err, unix.EPERM) {
		t.Fatalf("pidfd_open gives %v, want EPERM", err)
	}
}
