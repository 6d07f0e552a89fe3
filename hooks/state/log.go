package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// The runs of a hook are lines of JSON in one file, and its lock is that file's. A line is
// whole with its newline. Zeros behind the last one are space that the next lines overwrite
// in place, also if the file system is full. So a reader never takes a part of a line for a
// line, and a line that a killed writer has left is no line.
const (
	runsName = "run.json"
	// maxLog bytes, and some runs of the size of the last one, are in the file at most.
	maxLog = 64 << 10
	// maxFile bounds what is read, in bytes.
	maxFile = 6 * maxRecord
	// reserved is the space for one more run, and reserveStep what is made at a time beside it.
	reserved    = 12 << 10
	reserveStep = 8 << 10
	// lastLine is the part of it that is left to the line of a run's end.
	lastLine = 4 << 10
)

var fullLine, updateLine, pastLine = []byte(`{"instance":`), []byte(`{"update":`), []byte(`{"past":`)

// update is a line that changes the record of the lines before it.
type update struct {
	RunID      string          `json:"update"` // first, as in updateLine
	End        *time.Time      `json:"end,omitempty"`
	Outcome    Outcome         `json:"outcome"`
	Reason     string          `json:"reason,omitempty"`
	Main       *MainIdentity   `json:"main,omitempty"`
	For        *ContainerStart `json:"for,omitempty"`
	StopReason StopReason      `json:"stopReason,omitempty"`
	Steps      []changedStep   `json:"steps,omitempty"`
	Totals     Totals          `json:"totals"`
}

type changedStep struct {
	At int `json:"at"`
	StepRecord
}

// since returns the update from before to r, and false if it needs a line of its own.
func (r *Record) since(before *Record) (update, bool) {
	if before == nil || before.Instance != r.Instance || before.RunID != r.RunID || len(before.Steps) != len(r.Steps) {
		return update{}, false
	}
	u := update{r.RunID, r.End, r.Outcome, r.Reason, r.Main, r.For, r.StopReason, nil, r.Totals}
	for i := range r.Steps {
		if !r.Steps[i].same(&before.Steps[i]) {
			u.Steps = append(u.Steps, changedStep{i, r.Steps[i]})
		}
	}
	return u, true
}

// same reports whether s is a copy of other.
func (s *StepRecord) same(other *StepRecord) bool {
	return s.Outcome == other.Outcome && s.Name == other.Name && s.Start == other.Start && s.End == other.End &&
		s.ExitCode == other.ExitCode && s.Signal == other.Signal && s.Attempt == other.Attempt && s.DoneIn == other.DoneIn &&
		s.Owed == other.Owed && s.Error == other.Error && s.Waiting == other.Waiting && slices.Equal(s.Tail, other.Tail)
}

// apply changes r by a line, and reports whether it is an update of r.
func (r *Record) apply(line []byte) bool {
	var u update
	if !bytes.HasPrefix(line, updateLine) || json.Unmarshal(line, &u) != nil || u.RunID != r.RunID {
		return false
	}
	for _, s := range u.Steps {
		if s.At < 0 || s.At >= len(r.Steps) {
			return false
		}
	}
	for _, s := range u.Steps {
		r.Steps[s.At] = s.StepRecord
	}
	r.End, r.Outcome, r.Reason, r.Main, r.For, r.StopReason, r.Totals = u.End, u.Outcome, u.Reason, u.Main, u.For, u.StopReason, u.Totals
	return true
}

// content is what is known of the file. It is not changed.
type content struct {
	inode uint64
	// line is the last one that counts. It begins at the offset at, and is unlike any other,
	// so that the same bytes there mean the same content up to its end.
	line []byte
	at   int64
	end  int64 // where the next line goes
	torn bool  // what is before end has no newline
	full int   // length of the last line that has a record
	// record is that of the last run, nil where there is none; err says what is wrong with
	// one of this instance.
	record *Record
	err    error
}

// read returns the content of the open file. It reads only what is new since the last call.
func (h *Hook) read(fd int, inode uint64) (*content, error) {
	h.mu.Lock()
	c := h.cached
	h.mu.Unlock()
	if c != nil && c.inode == inode {
		data, err := h.readLines(fd, c.at)
		switch more, same := bytes.CutPrefix(data, c.line); {
		case err != nil || !same:
		case len(more) == 0:
			return c, nil
		default:
			c = h.parse(c, more, c.at+int64(len(c.line)))
			h.keep(c)
			return c, nil
		}
	}
	data, err := h.readLines(fd, 0)
	var huge *RecordError
	if errors.As(err, &huge) {
		return &content{inode: inode, err: err}, nil
	}
	if err != nil {
		return nil, err
	}
	c = h.parse(&content{inode: inode}, data, 0)
	h.keep(c)
	return c, nil
}

func (h *Hook) keep(c *content) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cached = c; c.record == nil {
		h.cached = nil
	}
}

// readLines reads from an offset to the first zero or the end of the file.
func (h *Hook) readLines(fd int, from int64) ([]byte, error) {
	data := make([]byte, 0, 1024)
	for {
		n, err := retry(func() (int, error) { return unix.Pread(fd, data[len(data):cap(data)], from+int64(len(data))) })
		if err != nil {
			return nil, pathError("read", h.path(), err)
		}
		got := data[len(data) : len(data)+n]
		if zero := bytes.IndexByte(got, 0); zero >= 0 || n == 0 {
			return append(data, got[:max(zero, 0)]...), nil
		}
		if data = data[:len(data)+n]; len(data) > maxFile {
			return nil, &RecordError{h.path(), fmt.Errorf("must have at most %d bytes", maxFile)}
		}
		data = slices.Grow(data, max(1, len(data)))
	}
}

// parse returns the content after the lines of data, which come at an offset after before.
func (h *Hook) parse(before *content, data []byte, from int64) *content {
	c := *before
	whole := data[:bytes.LastIndexByte(data, '\n')+1]
	c.end, c.torn = from+int64(len(data)), len(whole) < len(data)
	next := 0
	for at := len(whole); ; {
		if at = lastFull(whole[:at]); at < 0 {
			break
		}
		line := lineAt(whole, at)
		r, err := decodeRecord(line)
		if err == nil && r.Hook != h.name {
			err = fmt.Errorf("it is of hook %q", r.Hook)
		}
		var version *VersionError
		if err != nil && ofInstance(line, h.store.instance.ID) {
			c.err = &RecordError{h.path(), err}
		}
		if err == nil || errors.As(err, &version) {
			c.record, next = nil, at+len(line)
			if err == nil {
				c.record, c.err, c.line, c.at, c.full = &r, nil, line, from+int64(at), len(line)
			}
			break
		}
	}
	if c.record == nil {
		return &c
	}
	c.err = nil
	r := *c.record
	r.Steps = slices.Clone(r.Steps)
	for next < len(whole) {
		line := lineAt(whole, next)
		if r.apply(line) {
			c.line, c.at = line, from+int64(next)
		}
		next += len(line)
	}
	c.record = &r
	return &c
}

// lastFull returns where the last line with a record begins, or -1.
func lastFull(data []byte) int {
	if at := bytes.LastIndex(data, append([]byte{'\n'}, fullLine...)); at >= 0 {
		return at + 1
	}
	if bytes.HasPrefix(data, fullLine) {
		return 0
	}
	return -1
}

func lineAt(data []byte, at int) []byte { return data[at : at+bytes.IndexByte(data[at:], '\n')+1] }

// Write writes the record of a run: a new one, or what has changed in that of the last run.
// It sets Version, Hook and Instance. The record at the begin of a run and that at its end
// may use the space that Reserve has kept, and lose what only people need if it is not
// enough. The error is a *FullError where no space is left; then the last record remains.
func (l *Lock) Write(r Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fd < 0 {
		return fs.ErrClosed
	}
	r.Version, r.Hook, r.Instance = recordVersion, l.hook.name, l.hook.store.instance.ID
	err := l.write(&r)
	var full *FullError
	if errors.As(err, &full) && (r.Outcome != Running || r.RunID != l.lastRun()) {
		if brief := r.brief(); l.write(&brief) == nil {
			return nil
		}
	}
	return err
}

func (l *Lock) lastRun() string {
	if l.content == nil || l.content.record == nil {
		return ""
	}
	return l.content.record.RunID
}

func (l *Lock) write(r *Record) error {
	if err := l.load(); err != nil {
		return err
	}
	c := l.content
	next := content{inode: c.inode, full: c.full}
	var line []byte
	var err error
	if u, ok := r.since(c.record); ok {
		line, err = json.Marshal(u)
		line = append(line, '\n')
	} else {
		line, err = encodeRecord(*r)
		next.full = len(line)
	}
	if err != nil {
		return err
	}
	if r.RunID != l.lastRun() {
		l.previous = l.lastRun()
	}
	ours := c.record != nil && c.record.Instance == r.Instance
	removed := r.Outcome != Running && l.removed()
	if removed || !ours && !l.blank() || c.end+int64(len(line)) > int64(maxLog+4*next.full) {
		if err := l.rewrite(r); err == nil || removed || c.end > maxFile/2 {
			return err
		}
	}
	if next.line, next.at = line, c.end; c.torn {
		line, next.at = append([]byte("!\n"), line...), c.end+2 // what a killed writer has left becomes no line
	}
	need := len(line)
	if r.Outcome == Running {
		need += lastLine
	}
	if err := l.room(need, reserved); err != nil {
		return err
	}
	if err := pwriteAll(l.fd, line, c.end); err != nil {
		l.content = nil // unknown
		return pathError("write", l.hook.path(), err)
	}
	next.end = c.end + int64(len(line))
	l.wrote(&next, r)
	return nil
}

// wrote keeps what the file contains now.
func (l *Lock) wrote(c *content, r *Record) {
	kept := *r
	kept.Steps, kept.Totals = slices.Clone(r.Steps), r.Totals.Clone()
	c.record = &kept
	l.content = c
	l.hook.keep(c)
}

// load reads the file once: nobody else writes it.
func (l *Lock) load() error {
	if l.content != nil {
		return nil
	}
	c, err := l.hook.read(l.fd, l.inode)
	if err == nil {
		l.content = c
	}
	return err
}

// removed reports whether somebody has removed the file, so that no reader would see it.
func (l *Lock) removed() bool {
	var st unix.Stat_t
	return unix.Fstat(l.fd, &st) == nil && st.Nlink == 0
}

// blank reports whether the file has no text, not even between zeros: what a crash of the
// machine has left could become a line.
func (l *Lock) blank() bool {
	data := make([]byte, l.size)
	n, err := unix.Pread(l.fd, data, 0)
	return err == nil && len(bytes.Trim(data[:n], "\x00")) == 0
}

// room makes space for n bytes more, and others beside them, if there is none for n.
func (l *Lock) room(n, others int) error {
	missing := l.content.end + int64(n) - l.size
	if missing <= 0 {
		return nil
	}
	more := (missing + int64(others) + 4095) &^ 4095
	_, err := retry(func() (int, error) { return 0, unix.Fallocate(l.fd, 0, l.size, more) })
	if err == unix.EOPNOTSUPP || err == unix.ENOSYS {
		err = pwriteAll(l.fd, make([]byte, more), l.size)
	}
	if err != nil {
		_ = unix.Ftruncate(l.fd, l.size)
		return pathError("fallocate", l.hook.path(), err)
	}
	l.size += more
	return nil
}

// Reserve reserves space for one more run of the hook, in case the file system is full
// then. It does nothing where that is reserved.
func (l *Lock) Reserve() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fd < 0 {
		return fs.ErrClosed
	}
	if err := l.load(); err != nil {
		return err
	}
	if l.size > 0 {
		return l.room(reserved, reserveStep)
	}
	l.spareMarker()
	return l.room(reserved, 0)
}

// Reserved reports whether space was reserved for a first run of the hook. It takes no
// lock.
func (h *Hook) Reserved() bool {
	var st unix.Stat_t
	return unix.Lstat(h.path(), &st) == nil && st.Size >= reserved
}

// rewrite replaces the file by a new one, which is locked before others see it, with the
// history and the record.
func (l *Lock) rewrite(r *Record) error {
	line, err := encodeRecord(*r)
	if err != nil {
		return err
	}
	w := atomicWrite{dirfd: l.dirfd, dir: l.hook.dir, temp: runsName + ".tmp", name: runsName, mode: 0o600}
	fd, err := w.create(nil)
	if err != nil {
		return err
	}
	text, _ := l.hook.readLines(l.fd, 0) // the record is worth more than the history
	text = l.hook.pastLines(text, r.RunID)
	c := &content{line: line, at: int64(len(text)), end: int64(len(text) + len(line)), full: len(line)}
	size := (c.end + reserved + reserveStep + 4095) &^ 4095
	text = append(append(text, line...), make([]byte, size-c.end)...)
	if err = pwriteAll(fd, text, 0); err == nil {
		_, err = takeLock(fd, l.hook.path(), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err == nil {
		err = w.rename()
	}
	if err != nil {
		unix.Close(fd)
		w.remove()
		return pathError("write", l.hook.path(), err)
	}
	unix.Close(l.fd)
	var st unix.Stat_t
	_ = unix.Fstat(fd, &st) // of an open file it cannot fail
	l.fd, l.inode, l.size = fd, st.Ino, size
	c.inode = st.Ino
	l.wrote(c, r)
	return nil
}

func (h *Hook) path() string { return filepath.Join(h.dir, runsName) }
