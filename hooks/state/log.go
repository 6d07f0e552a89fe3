package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
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

func (h *Hook) path() string { return filepath.Join(h.dir, runsName) }
