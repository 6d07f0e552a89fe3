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
	if !w.finish() {
		w.dropped++
		return len(p), nil
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

// finish sends what is left of a line that was taken in part.
func (w *NonBlocking) finish() bool {
	if len(w.rest) > 0 {
		n := w.send(w.rest)
		w.rest = w.rest[min(n, len(w.rest)):] // a reader that has gone leaves no rest
	}
	return len(w.rest) == 0
}

// Dropped counts the lines that nobody read in time.
func (w *NonBlocking) Dropped() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dropped
}

// send writes what can be taken now and returns how much that was.
func (w *NonBlocking) send(p []byte) int {
	if w.fd < 0 {
		w.open()
	}
	switch {
	case w.fd >= 0:
		return w.write(p)
	case w.fallback >= 0:
		return w.writeShared(p)
	}
	return 0
}

func (w *NonBlocking) open() {
	// A file never blocks, and its offset is shared with the application: what
	// is appended beside that would be written over.
	if w.fallback >= 0 && isFile(w.fallback) {
		return
	}
	// O_APPEND: a regular file would otherwise be written from its beginning.
	const flags = unix.O_WRONLY | unix.O_APPEND | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC
	if fd, err := unix.Open(w.path, flags, 0); err == nil {
		w.fd = fd
	}
}

func (w *NonBlocking) write(p []byte) int {
	n, err := retry(func() (int, error) { return unix.Write(w.fd, p) })
	if err == nil {
		return n
	}
	if !errors.Is(err, unix.EAGAIN) {
		w.lose()
	}
	return 0
}

// lose lets go of a log whose reader has gone. There may be another one later,
// and it has no use for the end of a line.
func (w *NonBlocking) lose() {
	if len(w.rest) > 0 {
		w.dropped++
	}
	w.rest = nil
	if w.fd >= 0 {
		_ = unix.Close(w.fd)
		w.fd = -1
	}
}

// writeShared writes to the inherited descriptor, which may be a blocking one. It
// asks for a write that does not wait (pwritev2(2), RWF_NOWAIT); where the kernel
// has none for this kind of file, it asks poll before each piece. Then another
// writer could still fill the pipe in between.
func (w *NonBlocking) writeShared(p []byte) int {
	n, err := retry(func() (int, error) {
		return unix.Pwritev2(w.fallback, [][]byte{p}, -1, unix.RWF_NOWAIT)
	})
	switch {
	case err == nil:
		return n
	case errors.Is(err, unix.EPIPE):
		w.lose()
		return 0
	case errors.Is(err, unix.EAGAIN) && !regular(w.fallback):
		return 0
	}
	sent := 0
	for sent < len(p) && writable(w.fallback) {
		piece := p[sent:min(len(p), sent+pipeBuf)]
		n, err := retry(func() (int, error) { return unix.Write(w.fallback, piece) })
		if err != nil {
			w.lose()
			break
		}
		sent += n
	}
	return sent
}

func retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

func regular(fd int) bool {
	var st unix.Stat_t
	return unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG
}

func writable(fd int) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n == 1 && fds[0].Revents&unix.POLLOUT != 0
}

func isFile(fd int) bool {
	var st unix.Stat_t
	return unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG
}
