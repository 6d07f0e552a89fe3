package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const (
	historyName = "history"
	// maxRuns and maxHistory bound the history of a hook, in runs and bytes.
	maxRuns    = 20
	maxHistory = 64 << 10
	// maxPastSteps bounds the steps that are kept of one run, and maxPastReason a reason.
	maxPastSteps  = 20
	maxPastReason = 200
)

// PastRun is an ended run in the history of a hook.
type PastRun struct {
	// Instance comes first, as in Record.
	Instance string     `json:"instance"`
	RunID    string     `json:"runID"`
	Trigger  Trigger    `json:"trigger,omitempty"`
	Outcome  Outcome    `json:"outcome"`
	Start    time.Time  `json:"start"`
	End      *time.Time `json:"end,omitempty"`
	Reason   string     `json:"reason,omitempty"`
	Steps    []PastStep `json:"steps,omitempty"`
	// MoreSteps counts those that are left out.
	MoreSteps int `json:"moreSteps,omitempty"`
}

// PastStep is a step of a PastRun.
type PastStep struct {
	Name    string     `json:"name"`
	Outcome Outcome    `json:"outcome"`
	Attempt int        `json:"attempt,omitempty"`
	Start   *time.Time `json:"start,omitempty"`
	End     *time.Time `json:"end,omitempty"`
}

// past is what the history keeps of a run.
func (r *Record) past() PastRun {
	p := PastRun{Instance: r.Instance, RunID: r.RunID, Trigger: r.Trigger, Outcome: r.Outcome, Start: r.Start, End: r.End, Reason: r.Reason}
	if len(p.Reason) > maxPastReason {
		p.Reason = string(bytes.ToValidUTF8([]byte(p.Reason[:maxPastReason]), nil)) + "..."
	}
	for _, s := range r.Steps {
		switch {
		case s.Outcome == Pending:
		case len(p.Steps) == maxPastSteps:
			p.MoreSteps++
		default:
			p.Steps = append(p.Steps, PastStep{s.Name, s.Outcome, s.Attempt, s.Start, s.End})
		}
	}
	return p
}

// Remember adds an ended run to the hook's history: a line of a file, to which lines are
// appended until it is too long.
func (l *Lock) Remember(r Record) error {
	r = l.sign(r)
	line, err := json.Marshal(r.past())
	if err != nil {
		return err
	}
	line = append(line, '\n')
	kept, dirty, err := l.hook.historyLines()
	size := len(line)
	for _, old := range kept {
		size += len(old)
	}
	if err == nil && !dirty && len(kept) < 2*maxRuns && size <= maxHistory {
		return l.append(historyName, line)
	}
	text := line
	for i := len(kept) - 1; i >= 0 && len(kept)-i < maxRuns && len(text)+len(kept[i]) <= maxHistory/2; i-- {
		text = append(kept[i], text...)
	}
	return l.replace(historyName, text)
}

// append adds to a file of the hook.
func (l *Lock) append(name string, data []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fd < 0 {
		return fs.ErrClosed
	}
	path := filepath.Join(l.hook.dir, name)
	fd, err := retry(func() (int, error) {
		return unix.Openat(l.dirfd, name, unix.O_WRONLY|unix.O_APPEND|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return pathError("open", path, err)
	}
	defer unix.Close(fd)
	if err := writeAll(fd, data); err != nil {
		return pathError("write", path, err)
	}
	return nil
}

// History returns the last ended runs of the hook in this instance, the oldest first, at
// most 20. A run that was killed is among them once another one has begun.
func (h *Hook) History() ([]PastRun, error) {
	lines, _, err := h.historyLines()
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return nil, err
	}
	var runs []PastRun
	for _, line := range lines[max(0, len(lines)-maxRuns):] {
		var r PastRun
		if json.Unmarshal(line, &r) == nil {
			runs = append(runs, r)
		}
	}
	return runs, nil
}

// historyLines returns the lines of this instance. dirty says that there are others: of
// another instance, or one that was being written when its process was killed.
func (h *Hook) historyLines() (lines [][]byte, dirty bool, err error) {
	if h.bad != nil {
		return nil, false, h.bad
	}
	data, _, err := h.store.readFile(filepath.Join(h.dir, historyName), 2*maxHistory)
	if err != nil {
		return nil, false, err
	}
	for line := range bytes.Lines(data) {
		if ofInstance(line, h.store.instance.ID) && bytes.HasSuffix(line, []byte("}\n")) && json.Valid(line) {
			lines = append(lines, bytes.Clone(line))
		} else {
			dirty = true
		}
	}
	return lines, dirty, nil
}
