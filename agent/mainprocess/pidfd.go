package mainprocess

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// openPidfd gives a pidfd that the runtime's poller can wait for. It is nil,
// without an error, where there are no pidfds; errGone where there is no such
// process.
func openPidfd(pid int) (*os.File, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	switch {
	case err == nil:
	case errors.Is(err, unix.ESRCH):
		return nil, errGone
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOENT):
		return nil, errGone // the number of a thread: EINVAL, since 6.16 ENOENT
	case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EPERM):
		return nil, nil // pidfd_open(2) itself checks no permission: seccomp
	default:
		return nil, fmt.Errorf("pidfd_open of process %d: %w", pid, err)
	}
	// Set before NewFile, so that it joins the poller. PIDFD_NONBLOCK came
	// only with 5.10.
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("pidfd of process %d: %w", pid, err)
	}
	return os.NewFile(uintptr(fd), "pidfd"), nil
}

// awaitPidfd waits in the runtime's poller, so it holds no thread, until the
// process has exited (nil) or the file is closed.
func awaitPidfd(f *os.File) error {
	c, err := f.SyscallConn()
	if err != nil {
		return err
	}
	return c.Read(readable)
}

func pidfdExited(f *os.File) bool {
	exited := false
	if c, err := f.SyscallConn(); err == nil {
		// Control keeps the number from being closed and used anew meanwhile.
		c.Control(func(fd uintptr) { exited = readable(fd) })
	}
	return exited
}

// readable: a pidfd is when all threads of its process have exited,
// pidfd_open(2).
func readable(fd uintptr) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n == 1
}
