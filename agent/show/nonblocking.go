package show

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/state"
)

const (
	// pipeBuf is PIPE_BUF of pipe(7): a pipe takes that much as a whole or not at all,
	// so that the text of another writer cannot come in between.
	pipeBuf = 4096
	// queueLimit bounds the lines that wait for room in the log, in bytes.
	queueLimit = 256 << 10
	// The pauses between two attempts to write the queue.
	minPause, maxPause = time.Millisecond, time.Second
	// Flush gives up when the log has taken nothing for flushPatience, and in any case
	// after flushLimit.
	flushPatience, flushLimit = 250 * time.Millisecond, time.Second
)

// NonBlocking writes lines to a file and never waits for its reader. Lines wait in a
// queue while a pipe is full. Lines that do not fit into the queue are dropped and
// counted. It is safe for concurrent use.
type NonBlocking struct {
	path     string        // "" before the first call of find
	find     func() string // nil if path is known from the start
	fallback int           // descriptor to use if path cannot be opened, or -1

	mu      sync.Mutex
	fd      int
	queue   []byte
	partial bool        // a part of the first line of queue has been written
	full    bool        // the log is open, and took nothing at the last attempt
	moved   time.Time   // when the queue began, or the log last took some of it
	timer   *time.Timer // for the next attempt; nil while queue is empty
	pause   time.Duration
	dropped int
}

// ContainerLog returns the log of the container for an exec'd hook: the stdout of the
// first process of the container. If it cannot be opened, each line tries it again.
func ContainerLog() *NonBlocking {
	find := func() string { return fmt.Sprintf("/proc/%d/fd/1", state.FirstProcess()) }
	return &NonBlocking{find: find, fallback: -1, fd: -1}
}

// OwnLog returns the stdout of this process. It opens stdout a second time if it can,
// because O_NONBLOCK on the inherited description would also apply to the application,
// which shares that.
func OwnLog() *NonBlocking { return &NonBlocking{path: "/proc/self/fd/1", fallback: 1, fd: -1} }

// Write takes one line or more. It always reports success, because a log that cannot
// be written must not fail a hook.
func (w *NonBlocking) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.advance()
	n, rest := 0, p
	if len(w.queue) == 0 {
		n = w.send(p)
		if rest = p[n:]; len(rest) == 0 {
			return len(p), nil
		}
		w.partial = n > 0
		w.moved, w.pause = time.Now(), minPause
	}
	// The end of a line that was written in part is always kept.
	nobody := len(w.queue) == 0 && !w.full
	if n == 0 && (nobody || len(w.queue)+len(rest) > queueLimit) {
		w.dropped++
		return len(p), nil
	}
	w.queue = append(w.queue, rest...)
	if w.timer == nil {
		w.timer = time.AfterFunc(w.pause, w.again)
	}
	return len(p), nil
}

// again is the next attempt to write the queue.
func (w *NonBlocking) again() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = nil
	if w.pause = min(2*w.pause, maxPause); w.advance() {
		w.pause = minPause
	}
	if len(w.queue) > 0 {
		w.timer = time.AfterFunc(w.pause, w.again)
	}
}

// advance writes the queue in pieces of whole lines, and reports whether the log took
// any.
func (w *NonBlocking) advance() (some bool) {
	for len(w.queue) > 0 {
		piece := w.queue[:pieceOf(w.queue)]
		n := w.send(piece)
		if n == 0 {
			break
		}
		w.partial = piece[n-1] != '\n'
		w.queue, w.moved, some = w.queue[n:], time.Now(), true
	}
	if len(w.queue) == 0 {
		w.queue, w.partial = nil, false // frees the memory
		if w.timer != nil {
			w.timer.Stop()
			w.timer = nil
		}
	}
	return some
}

// pieceOf returns the length of the lines that a pipe takes at once, at least one line.
func pieceOf(queue []byte) int {
	if end := bytes.LastIndexByte(queue[:min(pipeBuf, len(queue))], '\n'); end >= 0 {
		return end + 1
	}
	if end := bytes.IndexByte(queue, '\n'); end >= 0 {
		return end + 1
	}
	return len(queue)
}

// Flush writes the queue at the end of the process. It waits as long as the log is read,
// at most flushLimit, and then drops and counts the rest.
func (w *NonBlocking) Flush() {
	for end := time.Now().Add(flushLimit); !w.flushed(end); {
		time.Sleep(minPause)
	}
}

func (w *NonBlocking) flushed(end time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.advance()
	now := time.Now()
	if len(w.queue) > 0 && w.full && now.Before(end) && now.Before(w.moved.Add(flushPatience)) {
		return false
	}
	w.dropped += bytes.Count(w.queue, []byte("\n"))
	w.queue = nil
	return true
}

// Dropped returns the number of dropped lines.
func (w *NonBlocking) Dropped() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dropped
}

// send writes what the log takes now, and returns the number of bytes.
func (w *NonBlocking) send(p []byte) int {
	w.full = false
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
	// A file never blocks. A second description would have an offset of its own, and
	// the application would overwrite what it appends.
	if w.fallback >= 0 && regular(w.fallback) {
		return
	}
	if w.path == "" {
		w.path = w.find()
	}
	// Without O_APPEND a regular file would be overwritten from its beginning.
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
	if w.full = errors.Is(err, unix.EAGAIN); !w.full {
		w.lose()
	}
	return 0
}

// lose closes a log whose reader has closed it. Another reader can come later, so the
// rest of a line that was written in part is dropped.
func (w *NonBlocking) lose() {
	if w.partial {
		w.dropped++
		w.queue = w.queue[bytes.IndexByte(w.queue, '\n')+1:]
		w.partial = false
	}
	if w.fd >= 0 {
		_ = unix.Close(w.fd)
		w.fd = -1
	}
}

// writeShared writes to the inherited descriptor, which can be blocking. It uses a write
// that does not wait (pwritev2(2), RWF_NOWAIT). If the kernel has none for this kind of
// file, it calls poll before each piece; another writer can still fill the pipe between.
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
		w.full = true
		return 0
	}
	sent := 0
	for sent < len(p) {
		if w.full = !writable(w.fallback); w.full {
			break
		}
		piece := p[sent:min(len(p), sent+pipeBuf)]
		n, err := retry(func() (int, error) { return unix.Write(w.fallback, piece) })
		if err != nil {
			w.lose()
			return 0
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
