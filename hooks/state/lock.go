package state

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Lock is the right to run a hook, among all processes of the container. The kernel
// releases it when its process ends. Programs that the process starts do not inherit it.
// Its methods may be called from any goroutine.
type Lock struct {
	hook *Hook

	mu     sync.Mutex
	fd     int // of the file of the runs; -1 when released
	dirfd  int // of the hook's directory
	output *OutputWriter
	// previous is the run before the one that this lock has begun.
	previous string
	inode    uint64
	size     int64
	// content is nil until it is needed; see load.
	content *content
}

// Lock waits for the lock, or for the end of ctx, whose error it returns then at once. A
// goroutine that gets the lock later releases it.
func (h *Hook) Lock(ctx context.Context) (*Lock, error) {
	if h.bad != nil {
		return nil, h.bad
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if l, ok, err := h.TryLock(); ok || err != nil {
		return l, err
	}
	select {
	case h.waiting <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	type result struct {
		lock *Lock
		err  error
	}
	got := make(chan result)
	go func() {
		l, _, err := h.acquire(ctx, unix.LOCK_EX)
		<-h.waiting
		select {
		case got <- result{l, err}:
		case <-ctx.Done():
			if err == nil {
				_ = l.Unlock() // the caller has gone
			}
		}
	}()
	select {
	case r := <-got:
		return r.lock, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// TryLock takes the lock if nobody has it, and otherwise returns false.
func (h *Hook) TryLock() (*Lock, bool, error) {
	if h.bad != nil {
		return nil, false, h.bad
	}
	return h.acquire(context.Background(), unix.LOCK_EX|unix.LOCK_NB)
}

func (h *Hook) acquire(ctx context.Context, how int) (*Lock, bool, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, false, err // do not make a directory again that was removed
		}
		l, err := h.openLock()
		if err != nil {
			return nil, false, err
		}
		ok, err := takeLock(l.fd, h.path(), how)
		if err != nil || !ok {
			l.close()
			return nil, false, err
		}
		var st unix.Stat_t
		if err := unix.Fstat(l.fd, &st); err != nil {
			l.close()
			return nil, false, pathError("fstat", h.path(), err)
		}
		if st.Nlink > 0 {
			l.inode, l.size = st.Ino, st.Size
			return l, true, nil
		}
		// It was removed or replaced meanwhile, so other processes lock another file.
		l.close()
	}
}

func (h *Hook) openLock() (*Lock, error) {
	dirfd, err := openDir(h.dir)
	if err == unix.ENOENT {
		if err := os.MkdirAll(h.dir, 0o700); err != nil {
			return nil, pathError("mkdir", h.dir, cause(err))
		}
		dirfd, err = openDir(h.dir)
	}
	if err != nil {
		return nil, pathError("open", h.dir, err)
	}
	if err := h.store.trustOpen(h.dir, dirfd); err != nil {
		unix.Close(dirfd)
		return nil, err
	}
	fd, err := h.store.createTrusted(dirfd, h.dir, runsName)
	if err != nil {
		unix.Close(dirfd)
		return nil, err
	}
	return &Lock{hook: h, fd: fd, dirfd: dirfd}, nil
}

// takeLock takes the flock and an open file description lock. Other processes can see the
// second without taking it; see Busy.
func takeLock(fd int, path string, how int) (bool, error) {
	_, err := retry(func() (int, error) { return 0, unix.Flock(fd, how) })
	if err == unix.EWOULDBLOCK {
		return false, nil
	}
	if err != nil {
		return false, pathError("flock", path, err)
	}
	seen := unix.Flock_t{Type: unix.F_WRLCK}
	_, err = retry(func() (int, error) { return 0, unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &seen) })
	if err != nil && err != unix.EINVAL {
		return false, pathError("fcntl", path, err)
	}
	return true, nil
}

// Unlock releases the lock and ends its output. A second call does nothing.
func (l *Lock) Unlock() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fd < 0 {
		return nil
	}
	if l.output != nil && l.output.close() {
		l.hook.mu.Lock()
		l.hook.silent = l.output.runID
		l.hook.mu.Unlock()
	}
	l.close()
	return nil
}

func (l *Lock) close() {
	unix.Close(l.fd)
	unix.Close(l.dirfd)
	l.fd, l.dirfd = -1, -1
}

// Busy reports whether somebody holds the lock. It takes no lock, so it never makes a
// TryLock fail.
func (h *Hook) Busy() (bool, error) {
	if h.bad != nil {
		return false, h.bad
	}
	fd, _, err := h.store.openTrusted(h.path())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer unix.Close(fd)
	held, err := h.store.probe(fd)
	if err != nil {
		return false, pathError("fcntl", h.path(), err)
	}
	return held, nil
}

// probeHeld asks for a conflicting lock (fcntl(2), F_OFD_GETLK).
func probeHeld(fd int) (bool, error) {
	ask := unix.Flock_t{Type: unix.F_WRLCK}
	_, err := retry(func() (int, error) { return 0, unix.FcntlFlock(uintptr(fd), unix.F_OFD_GETLK, &ask) })
	if err == unix.EINVAL {
		return probeFlock(fd)
	}
	return ask.Type != unix.F_UNLCK, err
}

// probeFlock is for kernels without such locks (gVisor). It holds a shared lock for a
// moment. A TryLock at that moment fails as if the hook ran, and its caller, who then
// waits for the lock, gets it.
func probeFlock(fd int) (bool, error) {
	_, err := retry(func() (int, error) { return 0, unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB) })
	if err == unix.EWOULDBLOCK {
		return true, nil
	}
	_ = unix.Flock(fd, unix.LOCK_UN)
	return false, err
}
