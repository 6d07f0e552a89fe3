package supervisor

import (
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/process"
	"github.com/podhook/podhook/hooks/process/inherited"
	"github.com/podhook/podhook/hooks/procfs"
)

// child is the main process.
type child struct {
	pid   int
	pidfd int // -1 where the kernel has none (before 5.2)
	// started is its start time in clock ticks since boot, 0 where there is no /proc.
	started uint64
	group   bool
	session bool      // it leads a session of its own
	tty     *terminal // of podhook's session, or nil
}

// start executes the command as the leader of a process group, or of a session. If podhook
// is in the foreground of a terminal, the new group is.
func (c *child) start(command Command) (int, error) {
	m, err := command.image()
	if err != nil {
		return 0, &ExecError{Name: command.Argv[0], Err: err}
	}
	m.session = c.session
	if c.tty != nil && c.tty.ours() {
		m.tty = c.tty.fd
	}
	pid, err := spawn(m)
	if err != nil {
		if m.tty >= 0 {
			c.tty.give(unix.Getpgrp()) // take it back from the child
		}
		return 0, &ExecError{Name: command.Argv[0], Err: err}
	}
	c.pid, c.pidfd = pid, int(m.pidfd)
	if st, err := procfs.Proc.Stat(pid); err == nil {
		c.started = st.Start
	}
	return pid, nil
}

// spawn forks with all signals blocked, so that no signal to podhook's group and no
// terminal stops or kills the child before it executes the program.
func spawn(m *image) (int, error) {
	shared, err := unix.Mmap(-1, 0, int(unsafe.Sizeof(*m.failure)), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANON)
	if err != nil {
		return 0, os.NewSyscallError("mmap", err)
	}
	defer func() { _ = unix.Munmap(shared) }()
	m.failure = (*syscall.Errno)(unsafe.Pointer(&shared[0]))

	pid, errno := forkBlocked(m)
	if errno == syscall.EINVAL {
		// A kernel before 5.2, or a sandbox that behaves like one.
		m.cloneFlags = 0
		pid, errno = forkBlocked(m)
	}
	if errno == 0 {
		errno = *m.failure
	}
	if errno != 0 {
		if m.pidfd >= 0 {
			_ = unix.Close(int(m.pidfd))
		}
		return 0, errno
	}
	return pid, nil
}

func forkBlocked(m *image) (int, syscall.Errno) {
	syscall.ForkLock.Lock()
	defer syscall.ForkLock.Unlock()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	old := inherited.SetMask(inherited.All)
	defer inherited.SetMask(old)
	pid, errno := fork(m)
	runtimeAfterFork()
	return pid, errno
}

// signal sends sig. info is what it was received with, or nil. It has the errors of
// process.Signal, but none where the main process has exited.
func (c *child) signal(sig syscall.Signal, info *received) error {
	if c.tty != nil && sig == syscall.SIGCONT {
		c.tty.resume(c.pid)
		return nil
	}
	var err error
	switch {
	case c.group:
		err = process.SignalGroup(c.pid, sig)
	case info != nil && info.code == codeQueue && c.queue(sig, info):
	default:
		err = process.Signal(c.pidfd, c.pid, c.started, sig)
	}
	if err == syscall.ESRCH {
		return nil
	}
	return err
}

// queue sends a signal with the value that it was received with. It needs a pidfd.
func (c *child) queue(sig syscall.Signal, info *received) bool {
	if c.pidfd < 0 {
		return false
	}
	_, _, errno := unix.Syscall6(unix.SYS_PIDFD_SEND_SIGNAL, uintptr(c.pidfd), uintptr(sig), uintptr(unsafe.Pointer(info)), 0, 0, 0)
	return errno == 0
}
