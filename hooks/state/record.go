package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// recordVersion is the format of run.json that this program writes and reads.
const recordVersion = 1

// maxRecord bounds run.json, in bytes; more is not podhook's. A run of as many steps as
// a configuration may have fits, whatever they are called and say.
const maxRecord = 4 << 20

// Outcome is how a run or a step ended, or that it is still running.
type Outcome string

// The outcomes of runs and steps.
const (
	// Pending is a step that has not begun.
	Pending     Outcome = ""
	Running     Outcome = "running"
	Succeeded   Outcome = "succeeded"
	Failed      Outcome = "failed"
	TimedOut    Outcome = "timed_out"
	Interrupted Outcome = "interrupted"
	// Skipped is only a step's.
	Skipped Outcome = "skipped"
)

// Trigger is what began a run.
type Trigger string

// The triggers of runs.
const (
	TriggerExec   Trigger = "exec"
	TriggerHTTP   Trigger = "http"
	TriggerSignal Trigger = "signal"
	TriggerStart  Trigger = "start"
)

// Record is what is known about a hook's last run, kept as JSON.
type Record struct {
	// Instance comes first: see ofInstance.
	Instance string `json:"instance"`
	Version  int    `json:"version"`
	// RunID is made of letters, digits and "-".
	RunID   string    `json:"runID"`
	Hook    string    `json:"hook"`
	Trigger Trigger   `json:"trigger,omitempty"`
	Start   time.Time `json:"start"`
	// StartTicks is Start in clock ticks after the boot Boot, as a process's start is
	// told: the clock may be set between the two.
	StartTicks uint64     `json:"startTicks,omitempty"`
	Boot       string     `json:"boot,omitempty"`
	End        *time.Time `json:"end,omitempty"`
	Outcome    Outcome    `json:"outcome"`
	// Deadline is when the whole run must have ended.
	Deadline time.Time `json:"deadline,omitzero"`
	// PID is the process that does the run.
	PID int `json:"pid,omitempty"`
	// Reason says in a sentence why the run did not succeed.
	Reason       string        `json:"reason,omitempty"`
	ConfigSource string        `json:"configSource,omitempty"`
	Main         *MainIdentity `json:"main,omitempty"`
	// For is the start of the main process's container, where that is another one
	// than podhook's.
	For    *ContainerStart `json:"for,omitempty"`
	Steps  []StepRecord    `json:"steps,omitempty"`
	Totals Totals          `json:"totals"`
}

// MainIdentity is the main process when a run began: a PID alone can come again.
type MainIdentity struct {
	PID int `json:"pid"`
	// StartTime is in clock ticks after boot (proc_pid_stat(5), field 22).
	StartTime uint64 `json:"startTime"`
}

// String is the identity for people: "PID@STARTTIME".
func (m MainIdentity) String() string { return fmt.Sprintf("%d@%d", m.PID, m.StartTime) }

// StepRecord is one step of a run.
type StepRecord struct {
	Name    string     `json:"name"`
	Kind    string     `json:"kind,omitempty"`
	Outcome Outcome    `json:"outcome,omitempty"`
	Start   *time.Time `json:"start,omitempty"`
	End     *time.Time `json:"end,omitempty"`
	// ExitCode is nil where no program exited.
	ExitCode *int `json:"exitCode,omitempty"`
	// Signal is the name of the signal that ended the program.
	Signal string `json:"signal,omitempty"`
	// Attempt counts from 1.
	Attempt int  `json:"attempt,omitempty"`
	Once    bool `json:"once,omitempty"`
	// DoneIn is the earlier run of this instance in which a step that is marked
	// once has succeeded.
	DoneIn string `json:"doneIn,omitempty"`
	// Owed is a step that was skipped because it was not known whether the pod
	// ends. It is run when that becomes known.
	Owed  bool   `json:"owed,omitempty"`
	Error string `json:"error,omitempty"`
	// Waiting is what a running step waits for.
	Waiting string `json:"waiting,omitempty"`
	// Tail are the last lines of output; see AddTail.
	Tail []string `json:"tail,omitempty"`
}

// What AddTail keeps of a step's output.
const (
	maxTailLines = 10
	maxTailBytes = 2048
)

// AddTail adds a line of output and drops the oldest ones, so that at most 10
// lines and 2048 bytes stay. What is no UTF-8 becomes U+FFFD.
func (s *StepRecord) AddTail(line string) {
	line = strings.ToValidUTF8(line, "\uFFFD")
	if cut := len(line) - maxTailBytes; cut > 0 {
		line = strings.ToValidUTF8(line[cut:], "")
	}
	s.Tail = append(s.Tail, line)
	total := 0
	for i := len(s.Tail) - 1; i >= 0; i-- {
		total += len(s.Tail[i])
		if total > maxTailBytes || len(s.Tail)-i > maxTailLines {
			s.Tail = slices.Delete(s.Tail, 0, i+1)
			return
		}
	}
}

// RecordError is a run.json that cannot be used. It never blocks a hook: the
// next run writes over it.
type RecordError struct {
	Path string
	Err  error
}

func (e *RecordError) Error() string {
	return fmt.Sprintf("%s: no usable record: %v", e.Path, e.Err)
}

// Unwrap is the cause.
func (e *RecordError) Unwrap() error { return e.Err }

// VersionError is a record of another version of podhook.
type VersionError struct{ Version int }

func (e *VersionError) Error() string {
	return fmt.Sprintf("version %d: only version %d is known", e.Version, recordVersion)
}

// decodeRecord reads what encodeRecord wrote and refuses everything else.
func decodeRecord(data []byte) (Record, error) {
	if len(data) > maxRecord {
		return Record{}, fmt.Errorf("more than %d bytes", maxRecord)
	}
	var r Record
	if err := json.Unmarshal(data, &r); err != nil {
		// Another version may have other types: its number says more.
		var v struct{ Version int }
		if json.Unmarshal(data, &v) == nil && v.Version != recordVersion && v.Version != 0 {
			return Record{}, &VersionError{v.Version}
		}
		return Record{}, err
	}
	if r.Version != recordVersion {
		return Record{}, &VersionError{r.Version}
	}
	if r.RunID == "" || r.Instance == "" || r.Outcome == "" {
		return Record{}, errors.New("runID, instance or outcome is missing")
	}
	return r, nil
}

// ofInstance says whether a file was begun in the instance id. Such a file is whole,
// because it was renamed into its place; one that a crash of the machine has torn is
// of an earlier instance, and what is left of it need not say so.
func ofInstance(data []byte, id string) bool {
	return bytes.HasPrefix(data, []byte(`{"instance":"`+id+`"`))
}

func encodeRecord(r Record) ([]byte, error) {
	data, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	if len(data) > maxRecord {
		return nil, fmt.Errorf("record of run %s has %d bytes, more than %d", r.RunID, len(data), maxRecord)
	}
	return append(data, '\n'), nil
}

// Clone shares nothing with r.
func (r Record) Clone() Record {
	r.End = clonePointer(r.End)
	r.Main, r.For = clonePointer(r.Main), clonePointer(r.For)
	r.Steps = slices.Clone(r.Steps)
	for i := range r.Steps {
		s := &r.Steps[i]
		s.Start, s.End = clonePointer(s.Start), clonePointer(s.End)
		s.ExitCode = clonePointer(s.ExitCode)
		s.Tail = slices.Clone(s.Tail)
	}
	r.Totals = r.Totals.Clone()
	return r
}

func clonePointer[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

// brief is the record without what only people need: what steps printed and waited
// for, and the steps that nobody asks for again.
func (r Record) brief() Record {
	r = r.Clone()
	kept := r.Steps[:0]
	for _, s := range r.Steps {
		s.Tail, s.Waiting = nil, ""
		if s.Once || s.Owed || s.Outcome != Pending && s.Outcome != Succeeded && s.Outcome != Skipped {
			kept = append(kept, s)
		}
	}
	r.Steps = kept
	return r
}

// interrupt makes of a running record what it is when nobody runs it any more.
// The run and the step it was at are counted here, since whoever should have
// done it is gone; how long they took is not known.
func (r *Record) interrupt() {
	r.Outcome = Interrupted
	if r.Reason == "" {
		r.Reason = fmt.Sprintf("podhook (PID %d) ended in the middle of the run", r.PID)
	}
	count(&r.Totals.Runs, Interrupted)
	for i := range r.Steps {
		s := &r.Steps[i]
		if s.Outcome == Running {
			s.Outcome = Interrupted
			s.Waiting = ""
			count(&r.Totals.Steps, Interrupted)
		}
	}
}
