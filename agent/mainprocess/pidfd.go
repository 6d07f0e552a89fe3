package mainprocess

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/process"
)

// openPidfd returns a pidfd that the runtime's poller can wait for. It is nil,
// without an error, where the kernel has no pidfds. The error is errGone where there is
// no such process.
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
	// Before NewFile, so that the file joins the poller. PIDFD_NONBLOCK needs
	// Linux 5.10.
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("pidfd of process %d: %w", pid, err)
	}
	return os.NewFile(uintptr(fd), "pidfd"), nil
}

// awaitPidfd waits until the process has exited (nil) or the file is closed. It waits
// in the runtime's poller and so blocks no thread.
func awaitPidfd(f *os.File) error {
	c, err := f.SyscallConn()
	if err != nil {
		return err
	}
	return c.Read(func(fd uintptr) bool { return process.PidfdExited(int(fd)) })
}

func pidfdExited(f *os.File) bool {
	exited := false
	if c, err := f.SyscallConn(); err == nil {
		// Control keeps the descriptor open during the call.
		c.Control(func(fd uintptr) { exited = process.PidfdExited(int(fd)) })
	}
	return exited
}
