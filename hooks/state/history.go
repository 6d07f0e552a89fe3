package state

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"
)

const (
	// maxRuns bounds the history of a hook, and maxHistory what a new file has of it, in bytes.
	maxRuns    = 20
	maxHistory = 32 << 10
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

// History returns the last ended runs of the hook in this instance, the oldest first, at
// most 20. A run that was killed is among them once another one has begun.
func (h *Hook) History() ([]PastRun, error) {
	if h.bad != nil {
		return nil, h.bad
	}
	h.store.calls.Lock()
	defer h.store.calls.Unlock()
	fd, _, err := h.open()
	if fd < 0 || err != nil {
		return nil, err
	}
	data, err := h.readLines(fd, 0)
	if err != nil {
		return nil, err
	}
	return h.past(data, ""), nil
}

// past returns the last ended runs that lines tell of. If the run next begins, all others
// have ended.
func (h *Hook) past(data []byte, next string) (runs []PastRun) {
	last := &Record{}
	add := func(p PastRun) {
		if n := len(runs) - 1; n >= 0 && runs[n].RunID == p.RunID {
			runs = runs[:n]
		}
		runs = append(runs, p)
	}
	ended := func() {
		if last.Instance == h.store.instance.ID {
			last.interrupt()
			add(last.past())
		}
		last = &Record{}
	}
	for line := range bytes.Lines(data) {
		var old struct{ Past PastRun }
		switch {
		case bytes.HasPrefix(line, pastLine) && json.Unmarshal(line, &old) == nil && old.Past.Instance == h.store.instance.ID:
			add(old.Past)
		case bytes.HasPrefix(line, fullLine):
			if r, err := decodeRecord(line); err == nil {
				if r.RunID != last.RunID {
					ended()
				}
				last = &r
			}
		default:
			last.apply(line)
		}
	}
	if last.RunID != next && (next != "" || last.Outcome != Running) {
		ended()
	}
	return runs[max(0, len(runs)-maxRuns):]
}

// verbatim is the size up to which the lines of a run are kept as they are, in bytes. Of
// longer ones only the history is kept.
const verbatim = 2 << 10

// pastLines returns the history for a new file in which the run next follows it.
func (h *Hook) pastLines(data []byte, next string) []byte {
	data = data[:bytes.LastIndexByte(data, '\n')+1]
	var starts []int // of the runs
	at := 0
	for line := range bytes.Lines(data) {
		if bytes.HasPrefix(line, fullLine) || bytes.HasPrefix(line, pastLine) {
			starts = append(starts, at)
		}
		at += len(line)
	}
	var kept [][]byte // the newest first
	size := 0
	for i := len(starts) - 1; i >= 0 && len(kept) < maxRuns; i-- {
		run := data[starts[i]:at]
		at = starts[i]
		if bytes.HasPrefix(run, fullLine) && len(run) > verbatim || !ofInstance(bytes.TrimPrefix(run, pastLine), h.store.instance.ID) {
			run = h.shorten(run, next)
		}
		if size += len(run); size > maxHistory {
			break
		}
		kept = append(kept, run)
	}
	slices.Reverse(kept)
	return bytes.Join(kept, nil)
}

// shorten returns the history of the lines of one run, as a line.
func (h *Hook) shorten(run []byte, next string) []byte {
	for _, past := range h.past(run, next) {
		if line, err := json.Marshal(map[string]PastRun{"past": past}); err == nil {
			return append(line, '\n')
		}
	}
	return nil
}
