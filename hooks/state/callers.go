package state

import (
	"context"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Call marks this process as a caller of the hook until it ends. The kernel takes
// the mark away when the process's exit code is settled, so it tells what a run's
// lock cannot: that whoever waits for the process gets that code.
func (h *Hook) Call() error {
	if h.bad != nil {
		return h.bad
	}
	l, err := h.openLock() // it makes the directory
	if err != nil {
		return err
	}
	defer l.close()
	fd, err := createAt(l.dirfd, callersName, 0)
	if err != nil {
		return pathError("open", h.callersPath(), err)
	}
	// The descriptor stays open: its end is the process's.
	_, err = retry(func() (int, error) { return 0, unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB) })
	if err != nil {
		unix.Close(fd)
		return pathError("flock", h.callersPath(), err)
	}
	return nil
}

// WaitForCallers returns when no process is marked by Call, or the error of ctx.
func (h *Hook) WaitForCallers(ctx context.Context) error {
	fd, err := retry(func() (int, error) {
		return unix.Open(h.callersPath(), unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	})
	if err == unix.ENOENT {
		return nil
	}
	if err != nil {
		return pathError("open", h.callersPath(), err)
	}
	defer unix.Close(fd)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		_, err := retry(func() (int, error) { return 0, unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) })
		if err == nil {
			return nil
		}
		if err != unix.EWOULDBLOCK {
			return pathError("flock", h.callersPath(), err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

const callersName = "callers"

func (h *Hook) callersPath() string { return filepath.Join(h.dir, callersName) }
