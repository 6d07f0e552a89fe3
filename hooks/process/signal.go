package process

import (
	"errors"
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/procfs"
)

// Signal sends sig to one process, and never to a later process with the same PID. The
// pidfd refers to the process. Where there is none (-1), or a seccomp profile denies
// pidfd_send_signal(2), Signal uses kill(2), right after it has compared the start time
// of the process with start (clock ticks since boot). A start of 0 is not compared;
// that is for a child that has not been reaped.
//
// The error is syscall.ESRCH where the process has exited, a *DeniedError where the
// kernel does not let podhook signal it, or that of a system call. Signal may be called
// from any goroutine.
func Signal(pidfd, pid int, start uint64, sig syscall.Signal) error {
	if pidfd >= 0 {
		err := unix.PidfdSendSignal(pidfd, sig, nil, 0)
		// Any other error can come from a seccomp profile.
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

// SignalGroup sends sig to the process group of a leader that has not been reaped. It
// has the errors of Signal. It also fails where the leader could not be signalled but
// other members could.
func SignalGroup(leader int, sig syscall.Signal) error {
	if err := unix.Kill(-leader, sig); err != nil {
		return denied(err, leader, sig)
	}
	return denied(unix.Kill(leader, 0), leader, sig) // kill(2) succeeds if it may signal any member
}

// PidfdExited reports whether all threads of a process have exited. Then its pidfd is
// readable: pidfd_open(2).
func PidfdExited(pidfd int) bool {
	fds := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n == 1
}
