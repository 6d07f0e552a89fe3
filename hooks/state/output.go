package state

import (
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// minOutputLimit is the smallest limit into which lines with their prefixes fit.
const minOutputLimit = 1024

// OutputWriter keeps the output of one run, bounded by a limit. The first half of the
// limit is for the beginning of the output. The other half is for its end, in two pieces,
// of which a new one replaces the older. Each piece is a file whose name contains its
// offset in the whole output, so that the bytes between two pieces can be counted. Readers
// see a line at once; lines are not synced.
//
// It may be used from any goroutine. Unlock of its Lock ends it.
type OutputWriter struct {
	dirfd int
	dir   string
	runID string
	limit int

	mu     sync.Mutex
	closed bool
	offset int64   // of the next line in the whole output
	pieces []int64 // offsets of the pieces that there are
	fd     int     // of the last piece, -1 if a new one is due
	size   int     // of the last piece
	buf    []byte
}

// Output begins the output of the run runID (letters, digits and "-") and removes that of
// earlier runs. It makes no file before the first line.
func (l *Lock) Output(runID string) (*OutputWriter, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fd < 0 {
		return nil, fs.ErrClosed
	}
	if !validRunID(runID) {
		return nil, fmt.Errorf("run ID %q: must be letters, digits and -", runID)
	}
	l.hook.mu.Lock()
	silent := l.hook.silent
	l.hook.mu.Unlock()
	if silent == "" || silent != l.previous {
		if err := l.removePieces(); err != nil {
			return nil, err
		}
	}
	limit := l.hook.store.outputLimit
	if limit >= 0 {
		limit = max(limit, minOutputLimit)
	}
	if l.output != nil {
		l.output.close()
	}
	l.output = &OutputWriter{dirfd: l.dirfd, dir: l.hook.dir, runID: runID, limit: limit, fd: -1}
	return l.output, nil
}

func (l *Lock) removePieces() error {
	old, err := listPieces(l.hook.dir)
	if err != nil {
		return err
	}
	for _, p := range old {
		if err := unix.Unlinkat(l.dirfd, p.name(), 0); err != nil && err != unix.ENOENT {
			return pathError("remove", l.hook.dir+"/"+p.name(), err)
		}
	}
	return nil
}

// WriteLine keeps a line that step printed to stream ("stdout", "stderr") at t. It keeps
// the bytes of the line without the newline at its end. It cuts a line that is longer
// than a quarter of the limit. cut is the number of bytes that the caller has cut already.
// The error is a *FullError where no space is left, and then the line counts as omitted,
// or fs.ErrClosed after Unlock.
func (w *OutputWriter) WriteLine(t time.Time, step, stream string, line []byte, cut int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return fs.ErrClosed
	}
	if w.limit < 0 {
		return nil
	}
	w.format(t, step, stream, line, cut)
	if err := w.write(); err != nil {
		return err
	}
	w.size += len(w.buf)
	w.offset += int64(len(w.buf))
	return nil
}

// format puts the line into w.buf: time, step and stream, each followed by a space, then
// the bytes of the line.
func (w *OutputWriter) format(t time.Time, step, stream string, line []byte, cut int) {
	if n := len(line); n > 0 && line[n-1] == '\n' {
		line = line[:n-1]
	}
	b := t.UTC().AppendFormat(w.buf[:0], "2006-01-02T15:04:05.000Z07:00")
	b = append(b, ' ')
	b = append(b, oneWord(step)...)
	b = append(b, ' ')
	b = append(b, oneWord(stream)...)
	b = append(b, ' ')
	b = append(b, line...)
	const note = " [%d bytes cut]"
	room := w.limit/4 - 1
	if len(b) > room || cut > 0 {
		keep := min(len(b), room-len(note)-len("9223372036854775807"))
		b = fmt.Appendf(b[:keep], note, cut+len(b)-keep)
	}
	w.buf = append(b, '\n')
}

// oneWord replaces spaces and newlines, which separate fields and lines.
func oneWord(s string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' {
			return '_'
		}
		return r
	}, s)
}

// write appends w.buf to the last piece, or to a new one if it does not fit.
func (w *OutputWriter) write() error {
	room := w.limit / 4
	if len(w.pieces) == 1 && w.pieces[0] == 0 {
		room = w.limit / 2
	}
	if w.fd < 0 || w.size+len(w.buf) > room {
		if err := w.newPiece(); err != nil {
			w.offset += int64(len(w.buf))
			return err
		}
	}
	if err := pwriteAll(w.fd, w.buf, int64(w.size)); err != nil {
		name := piece{w.runID, w.pieces[len(w.pieces)-1]}.name()
		_ = unix.Ftruncate(w.fd, int64(w.size)) // no half lines
		w.offset += int64(len(w.buf))
		w.endPiece()
		return pathError("write", w.dir+"/"+name, err)
	}
	return nil
}

// newPiece begins a piece and removes the oldest one, but not the beginning.
func (w *OutputWriter) newPiece() error {
	w.endPiece()
	p := piece{w.runID, w.offset}
	fd, err := createAt(w.dirfd, p.name(), unix.O_TRUNC)
	if err != nil {
		return pathError("create", w.dir+"/"+p.name(), err)
	}
	w.fd, w.size = fd, 0
	w.pieces = append(w.pieces, w.offset)
	first := 0
	if w.pieces[0] == 0 {
		first = 1 // the beginning stays
	}
	if len(w.pieces) > first+2 {
		_ = unix.Unlinkat(w.dirfd, piece{w.runID, w.pieces[first]}.name(), 0)
		w.pieces = append(w.pieces[:first], w.pieces[first+1:]...)
	}
	return nil
}

// endPiece closes the last piece. It removes an empty one.
func (w *OutputWriter) endPiece() {
	if w.fd < 0 {
		return
	}
	unix.Close(w.fd)
	w.fd = -1
	if w.size == 0 {
		last := len(w.pieces) - 1
		_ = unix.Unlinkat(w.dirfd, piece{w.runID, w.pieces[last]}.name(), 0)
		w.pieces = w.pieces[:last]
	}
}

// close ends the output, and reports whether nothing of it was kept.
func (w *OutputWriter) close() (silent bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		w.closed = true
		w.endPiece()
	}
	return len(w.pieces) == 0
}
