package state

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Call marks a process as a caller of the hook: the one that keeps the descriptor open until
// it ends. The kernel removes the mark when the exit code of the process is final. So,
// unlike the lock of a run, the mark tells when a waiter for the process gets that code.
func (h *Hook) Call() (mark int, err error) {
	if h.bad != nil {
		return -1, h.bad
	}
	l, err := h.openLock() // it makes the directory
	if err != nil {
		return -1, err
	}
	defer l.close()
	fd, err := h.store.createTrusted(l.dirfd, h.dir, callersName)
	if err != nil {
		return -1, err
	}
	_, err = retry(func() (int, error) { return 0, unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB) })
	if err != nil {
		unix.Close(fd)
		return -1, pathError("flock", h.callersPath(), err)
	}
	return fd, nil
}

// WaitForCallers returns nil when no process is marked by Call, or the error of ctx.
func (h *Hook) WaitForCallers(ctx context.Context) error {
	fd, _, err := h.store.openTrusted(h.callersPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	err = flockWithin(ctx, fd)
	if err != nil && ctx.Err() == nil {
		return pathError("flock", h.callersPath(), err)
	}
	return err
}

// flockWithin takes a flock, or returns the error of ctx. It polls, because a thread that
// waits in flock(2) cannot be interrupted.
func flockWithin(ctx context.Context, fd int) error {
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		_, err := retry(func() (int, error) { return 0, unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) })
		if err != unix.EWOULDBLOCK {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Called records the time of a call of the hook.
func (h *Hook) Called() error {
	if h.bad != nil {
		return h.bad
	}
	h.store.calls.Lock()
	defer h.store.calls.Unlock()
	l, err := h.openLock() // it makes the directory
	if err != nil {
		return err
	}
	defer l.close()
	fd, err := h.store.createTrusted(l.dirfd, h.dir, callersName)
	if err != nil {
		return err
	}
	unix.Close(fd)
	now := unix.NsecToTimespec(time.Now().UnixNano())
	if err := unix.UtimesNanoAt(l.dirfd, callersName, []unix.Timespec{now, now}, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return pathError("utimensat", h.callersPath(), err)
	}
	return nil
}

// CalledLast returns the time of the last call of the hook, by any process and in any
// instance. It is zero where there was none.
func (h *Hook) CalledLast() (time.Time, error) {
	if h.bad != nil {
		return time.Time{}, h.bad
	}
	var st unix.Stat_t
	switch err := unix.Lstat(h.callersPath(), &st); err {
	case nil:
		return time.Unix(0, st.Mtim.Nano()), h.store.trust(h.callersPath(), &st)
	case unix.ENOENT:
		return time.Time{}, nil
	default:
		return time.Time{}, pathError("lstat", h.callersPath(), err)
	}
}

// callersName is a file that callers hold a lock on. Its modification time is that of the
// last call.
const callersName = "callers"

func (h *Hook) callersPath() string { return filepath.Join(h.dir, callersName) }
