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
	// pipeBuf is PIPE_BUF of pipe(7): a pipe takes that much at once or nothing, so
	// that no other writer's text comes in between.
	pipeBuf = 4096
	// queueLimit bounds the lines that wait for room in the log, in bytes.
	queueLimit = 256 << 10
	// The pauses between two attempts to write what waits.
	minPause, maxPause = time.Millisecond, time.Second
	// At the end, a log that takes nothing for flushPatience is not read. flushLimit
	// bounds the end where it is read slowly.
	flushPatience, flushLimit = 250 * time.Millisecond, time.Second
)

// NonBlocking writes lines to a file that others read and never waits for them. Lines
// for which a full pipe has no room wait in a queue; lines for which the queue has no
// room are dropped and counted. It may be used by any number of goroutines.
type NonBlocking struct {
	path     string        // "" until find has found it
	find     func() string // where path is not known from the start
	fallback int           // descriptor to use where path cannot be opened, or -1

	mu      sync.Mutex
	fd      int
	queue   []byte      // the first line may have been taken in part
	partial bool        // it has been
	full    bool        // the log is there, and took nothing at the last attempt
	moved   time.Time   // when the queue began, or the log took something of it
	timer   *time.Timer // for the next attempt; nil while nothing waits
	pause   time.Duration
	dropped int
}

// ContainerLog is the log of the container as an exec'd hook reaches it: the stdout
// of the container's first process. It may not be there yet, or not permitted (fluid
// #4454); it is tried again with each line.
func ContainerLog() *NonBlocking {
	find := func() string { return fmt.Sprintf("/proc/%d/fd/1", state.FirstProcess()) }
	return &NonBlocking{find: find, fallback: -1, fd: -1}
}

// OwnLog is this process's stdout. It is opened a second time where that is
// possible, because O_NONBLOCK on the inherited description would also reach
// the application that shares it.
func OwnLog() *NonBlocking { return &NonBlocking{path: "/proc/self/fd/1", fallback: 1, fd: -1} }

// Write takes one line or more. It reports success whatever happened: a log that
// cannot be written must not fail a hook.
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
	// The end of a line that was taken in part is always kept.
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

// again is the next attempt to write what waits.
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

// advance writes what waits, in pieces of whole lines, and says whether any of it was
// taken.
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
		w.queue, w.partial = nil, false // gives the memory back
		if w.timer != nil {
			w.timer.Stop()
			w.timer = nil
		}
	}
	return some
}

// pieceOf is the length of the lines that a pipe takes at once, at least one.
func pieceOf(queue []byte) int {
	if end := bytes.LastIndexByte(queue[:min(pipeBuf, len(queue))], '\n'); end >= 0 {
		return end + 1
	}
	if end := bytes.IndexByte(queue, '\n'); end >= 0 {
		return end + 1
	}
	return len(queue)
}

// Flush is for the end of the process: it waits for what is queued as long as the log
// is read, at most a second. What is left is dropped and counted.
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

// Dropped counts the lines that nobody read in time.
func (w *NonBlocking) Dropped() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dropped
}

// send writes what can be taken now and returns how much that was.
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
	// A file never blocks, and its offset is shared with the application: what
	// is appended beside that would be written over.
	if w.fallback >= 0 && regular(w.fallback) {
		return
	}
	if w.path == "" {
		w.path = w.find()
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
	if w.full = errors.Is(err, unix.EAGAIN); !w.full {
		w.lose()
	}
	return 0
}

// lose lets go of a log whose reader has gone. There may be another one later,
// and it has no use for the end of a line.
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
