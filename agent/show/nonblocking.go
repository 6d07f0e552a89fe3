package show

import (
	"errors"
	"sync"

	"golang.org/x/sys/unix"
)

// pipeBuf is PIPE_BUF of pipe(7): a pipe that poll calls writable takes as much.
const pipeBuf = 4096

// NonBlocking writes lines to a file that others read and never waits for them:
// what a full pipe does not take is dropped and counted. It may be used by any
// number of goroutines.
type NonBlocking struct {
	path     string
	fallback int // descriptor to use where path cannot be opened, or -1

	mu      sync.Mutex
	fd      int
	rest    []byte // of a line that was taken in part
	dropped int
}

// PID1Log is the log of the container as an exec'd hook reaches it: the stdout
// of PID 1. It may not be there yet, or not permitted (fluid #4454); it is tried
// again with each line.
func PID1Log() *NonBlocking { return &NonBlocking{path: "/proc/1/fd/1", fallback: -1, fd: -1} }

// OwnLog is this process's stdout. It is opened a second time where that is
// possible, because O_NONBLOCK on the inherited description would also reach
// the application that shares it.
func OwnLog() *NonBlocking { return &NonBlocking{path: "/proc/self/fd/1", fallback: 1, fd: -1} }

// Write takes one line or more. It reports success whatever happened: a log that
// cannot be written must not fail a hook.
func (w *NonBlocking) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.rest) > 0 {
		w.rest = w.rest[w.send(w.rest):]
		if len(w.rest) > 0 {
			w.dropped++
			return len(p), nil
		}
	}
	n := w.send(p)
	switch {
	case n == 0:
		w.dropped++
	case n < len(p): // the next line must not begin in the middle of this one
		w.rest = append([]byte(nil), p[n:]...)
	}
	return len(p), nil
}

// Dropped counts the lines that nobody read in time.
func (w *NonBlocking) Dropped() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dropped
}

// Close closes what Write has opened.
func (w *NonBlocking) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fd >= 0 {
		_ = unix.Close(w.fd)
	}
	w.fd, w.fallback = -1, -1
}

// send writes what can be taken now and returns how much that was.
func (w *NonBlocking) send(p []byte) int {
	if w.fd < 0 {
		w.open()
	}
	if w.fd >= 0 {
		return w.write(w.fd, p)
	}
	if w.fallback < 0 {
		return 0
	}
	sent := 0
	for sent < len(p) && writable(w.fallback) {
		n := w.write(w.fallback, p[sent:min(len(p), sent+pipeBuf)])
		if n == 0 {
			break
		}
		sent += n
	}
	return sent
}

func (w *NonBlocking) open() {
	// O_APPEND: a regular file would otherwise be written from its beginning.
	const flags = unix.O_WRONLY | unix.O_APPEND | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC
	if fd, err := unix.Open(w.path, flags, 0); err == nil {
		w.fd = fd
	}
}

func (w *NonBlocking) write(fd int, p []byte) int {
	for {
		n, err := unix.Write(fd, p)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err == nil:
			return n
		case errors.Is(err, unix.EAGAIN):
			return 0
		}
		if fd == w.fd { // the reader has gone; there may be another one later
			_ = unix.Close(fd)
			w.fd = -1
		}
		return 0
	}
}

func writable(fd int) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n == 1 && fds[0].Revents&unix.POLLOUT != 0
}
