package supervisor

import (
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/process/inherited"
)

// terminal is the controlling terminal of our session. The main process is
// a process group of its own, so that what is typed reaches it once and not us;
// the price is that we stand between a job-controlling shell that started us
// and the group that it should stop and continue.
type terminal struct{ fd int }

// controllingTerminal finds it among stdin, stdout and stderr; nil if there is none.
func controllingTerminal() *terminal {
	for fd := range 3 {
		// Fails unless fd is the controlling terminal: tcgetpgrp(3).
		if _, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP); err == nil {
			return &terminal{fd: fd}
		}
	}
	return nil
}

// foreground is the process group that has the terminal, -1 if that is not known.
func (t *terminal) foreground() int {
	group, err := unix.IoctlGetInt(t.fd, unix.TIOCGPGRP)
	if err != nil {
		return -1
	}
	return group
}

// ours tells whether our own group has the terminal.
func (t *terminal) ours() bool { return t.foreground() == unix.Getpgrp() }

// give makes group the one in the foreground: tcsetpgrp(3). With TTOU blocked
// that works from the background too.
func (t *terminal) give(group int) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	old := inherited.SetMask(inherited.All)
	defer inherited.SetMask(old)
	_ = unix.IoctlSetPointerInt(t.fd, unix.TIOCSPGRP, group)
}

// watch follows the main process's stops until it has ended (gone), and then takes
// the terminal back. Changes tell when to look; what the main thread of
// Supervisor.Run did not take comes there by way of os/signal.
func (t *terminal) watch(pid int, changes chan os.Signal, gone <-chan struct{}) {
	signal.Notify(changes, syscall.SIGCHLD)
	defer signal.Stop(changes)
	for {
		if sig := stoppedBy(pid); sig != 0 {
			t.suspend(pid, sig)
		}
		select {
		case <-changes:
		case <-gone:
			if t.foreground() == pid {
				t.give(unix.Getpgrp())
			}
			return
		}
	}
}

// stoppedBy is the signal that has stopped pid since the last call, or 0. It takes no
// exit status away: waitid(2) without WEXITED.
func stoppedBy(pid int) syscall.Signal {
	var info struct {
		received
		_ uint64
	}
	err := unix.Waitid(unix.P_PID, pid, (*unix.Siginfo)(unsafe.Pointer(&info)), unix.WSTOPPED|unix.WNOHANG, nil)
	if err != nil || info.signo == 0 {
		return 0
	}
	return syscall.Signal(*(*int32)(unsafe.Add(unsafe.Pointer(&info), unionOffset+8)))
}

// suspend stops us as the main process was stopped, so that the shell which
// started us sees its job stop, and goes on when it continues us (fg). Where
// nobody could continue us (PID 1, a session leader: an orphaned process group) the
// kernel does not stop us, and what Ctrl-Z has stopped goes on at once: without
// podhook it would not have stopped either.
func (t *terminal) suspend(pid int, sig syscall.Signal) {
	if sig == syscall.SIGSTOP {
		stopSelf(syscall.SIGTSTP) // a shell's suspend; TSTP is refused where STOP is not
	} else {
		stopSelf(sig)
	}
	switch group := t.foreground(); {
	case group == unix.Getpgrp():
		t.give(pid)
	case group == pid && sig == syscall.SIGTSTP:
	default:
		return
	}
	_ = syscall.Kill(-pid, syscall.SIGCONT)
}

// stopSelf stops our process group, the rest of a pipeline included, and returns when we
// are continued, or at once where the kernel does not stop us.
func stopSelf(sig syscall.Signal) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	old := inherited.SetMask(inherited.All)
	defer inherited.SetMask(old)
	_ = syscall.Kill(0, sig) // Supervisor.Run drops its own
	_ = unix.Tgkill(os.Getpid(), unix.Gettid(), sig)
	inherited.SetMask(inherited.All &^ inherited.Set(sig))
}

// resume passes on the terminal that a shell has given to our group (fg) and
// continues the group of the main process.
func (t *terminal) resume(pid int) {
	if t.ours() {
		t.give(pid)
	}
	_ = syscall.Kill(-pid, syscall.SIGCONT)
}
