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

// terminal is the controlling terminal of podhook's session. The main process has a
// process group of its own, so that it gets the signals of the keyboard once, and podhook
// does not. Therefore a shell with job control, which started podhook, cannot stop and
// continue that group itself: podhook does it.
type terminal struct{ fd int }

// controllingTerminal searches stdin, stdout and stderr. It returns nil if there is none.
func controllingTerminal() *terminal {
	for fd := range 3 {
		// Fails unless fd is the controlling terminal: tcgetpgrp(3).
		if _, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP); err == nil {
			return &terminal{fd: fd}
		}
	}
	return nil
}

// foreground returns the process group that has the terminal, -1 if that is unknown.
func (t *terminal) foreground() int {
	group, err := unix.IoctlGetInt(t.fd, unix.TIOCGPGRP)
	if err != nil {
		return -1
	}
	return group
}

// ours reports whether podhook's own group has the terminal.
func (t *terminal) ours() bool { return t.foreground() == unix.Getpgrp() }

// give makes group the foreground group: tcsetpgrp(3). With TTOU blocked this works from
// the background too.
func (t *terminal) give(group int) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	old := inherited.SetMask(inherited.All)
	defer inherited.SetMask(old)
	_ = unix.IoctlSetPointerInt(t.fd, unix.TIOCSPGRP, group)
}

// watch stops podhook whenever the main process stops, until the main process has ended
// (gone). Then it takes the terminal back. changes says when to look. Signals that
// Supervisor.Run does not take get there through os/signal.
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

// stoppedBy returns the signal that has stopped pid since the last call, or 0. It does
// not reap: waitid(2) without WEXITED.
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

// suspend stops podhook as the main process was stopped, so that the shell that started
// podhook sees its job stop. It returns when the shell continues the job (fg). The kernel
// does not stop an orphaned process group (PID 1, a session leader), which nobody could
// continue. Then a main process that Ctrl-Z has stopped continues at once: without
// podhook it would not have stopped either.
func (t *terminal) suspend(pid int, sig syscall.Signal) {
	if sig == syscall.SIGSTOP {
		stopSelf(syscall.SIGTSTP) // not SIGSTOP, which stops an orphaned group too
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

// stopSelf stops podhook's process group, including the rest of a pipeline. It returns
// when podhook is continued, or at once where the kernel does not stop it.
func stopSelf(sig syscall.Signal) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	old := inherited.SetMask(inherited.All)
	defer inherited.SetMask(old)
	_ = syscall.Kill(0, sig) // Supervisor.Run drops podhook's own signals
	_ = unix.Tgkill(os.Getpid(), unix.Gettid(), sig)
	inherited.SetMask(inherited.All &^ inherited.Set(sig))
}

// resume gives the group of the main process the terminal that a shell has given to
// podhook's group (fg), and continues it.
func (t *terminal) resume(pid int) {
	if t.ours() {
		t.give(pid)
	}
	_ = syscall.Kill(-pid, syscall.SIGCONT)
}
