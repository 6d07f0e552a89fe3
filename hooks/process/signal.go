package process

import (
	"errors"
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/procfs"
)

// Signal sends sig to one process and never to another one that has got its PID
// since. The pidfd holds the process; it is -1 where there is none. Then, or where
// a seccomp profile denies pidfd_send_signal(2), the signal goes by kill(2), right
// after a look whether the process of that PID started at start (clock ticks since
// boot). 0 is a start that need not be compared: that of a child which has not
// been reaped.
//
// The error is syscall.ESRCH where the process has gone, a *DeniedError where the
// kernel does not let podhook signal it, or that of a system call. It may be
// called from any goroutine.
func Signal(pidfd, pid int, start uint64, sig syscall.Signal) error {
	if pidfd >= 0 {
		err := unix.PidfdSendSignal(pidfd, sig, nil, 0)
		// Of the others none tells a seccomp profile from the kernel's own answer.
		if err == nil || err == unix.ESRCH || err == unix.EINVAL {
			return err
		}
		if PidfdExited(pidfd) {
			return unix.ESRCH
		}
	}
	if start != 0 {
		now, err := procfs.Proc.Stat(pid)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) || err == nil && now.Start != start {
			return unix.ESRCH
		}
		if err != nil {
			return err
		}
	}
	return denied(unix.Kill(pid, sig), pid, sig)
}

// SignalGroup sends sig to the process group of its leader, which must not have
// been reaped. It has errors as Signal has, also where other members could be
// signalled and the leader could not.
func SignalGroup(leader int, sig syscall.Signal) error {
	if err := unix.Kill(-leader, sig); err != nil {
		return denied(err, leader, sig)
	}
	return denied(unix.Kill(leader, 0), leader, sig) // kill(2): one that it may signal is enough for a success
}

// PidfdExited reports whether all threads of a process have exited. Then its pidfd is
// readable: pidfd_open(2).
func PidfdExited(pidfd int) bool {
	fds := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n == 1
}
