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

// maxRecord bounds run.json, in bytes. Podhook never writes more. A run of as many steps as
// a configuration may have fits, whatever they are called and say.
const maxRecord = 4 << 20

// Outcome says how a run or a step ended, or that it is running.
type Outcome string

// The outcomes of runs and steps.
const (
	// Pending: the step has not begun.
	Pending     Outcome = ""
	Running     Outcome = "running"
	Succeeded   Outcome = "succeeded"
	Failed      Outcome = "failed"
	TimedOut    Outcome = "timed_out"
	Interrupted Outcome = "interrupted"
	// Skipped is only for steps.
	Skipped Outcome = "skipped"
)

// Trigger says what started a run.
type Trigger string

// The triggers of runs.
const (
	TriggerExec   Trigger = "exec"
	TriggerHTTP   Trigger = "http"
	TriggerSignal Trigger = "signal"
	TriggerStart  Trigger = "start"
	TriggerWatch  Trigger = "watch"
)

// StopReason says why the container is stopped.
type StopReason string

// The stop reasons.
const (
	StopDeleted      StopReason = "deleted"  // the Pod
	StopLiveness     StopReason = "liveness" // the container alone: a probe has failed
	StopEvicted      StopReason = "evicted"
	StopPreempted    StopReason = "preempted" // by a Pod of a higher priority
	StopNodeShutdown StopReason = "node-shutdown"
	StopDeadline     StopReason = "deadline"    // activeDeadlineSeconds
	StopCompleted    StopReason = "completed"   // the main process has exited by itself, with code 0
	StopMainExited   StopReason = "main-exited" // in another way
	StopUnknown      StopReason = "unknown"
)

// EndsPod reports whether the whole Pod ends.
func (s StopReason) EndsPod() bool {
	switch s {
	case StopDeleted, StopEvicted, StopPreempted, StopNodeShutdown, StopDeadline:
		return true
	}
	return false
}

// Record describes the last run of a hook. It is stored as JSON.
type Record struct {
	// Instance comes first: see ofInstance.
	Instance string `json:"instance"`
	Version  int    `json:"version"`
	// RunID is made of letters, digits and "-".
	RunID   string    `json:"runID"`
	Hook    string    `json:"hook"`
	Trigger Trigger   `json:"trigger,omitempty"`
	Start   time.Time `json:"start"`
	// StartTicks is Start in clock ticks since the boot Boot. It can be compared with the
	// start time of a process even if the clock was set.
	StartTicks uint64     `json:"startTicks,omitempty"`
	Boot       string     `json:"boot,omitempty"`
	End        *time.Time `json:"end,omitempty"`
	Outcome    Outcome    `json:"outcome"`
	// Deadline is when the whole run must end.
	Deadline time.Time `json:"deadline,omitzero"`
	// PID is the process that runs the hook.
	PID int `json:"pid,omitempty"`
	// Reason says why the run did not succeed.
	Reason       string        `json:"reason,omitempty"`
	ConfigSource string        `json:"configSource,omitempty"`
	Main         *MainIdentity `json:"main,omitempty"`
	// For is the start of the main process's container where that is not podhook's own.
	For *ContainerStart `json:"for,omitempty"`
	// StopReason is "" in a hook that has none, and until the answer has come.
	StopReason StopReason `json:"stopReason,omitempty"`
	// Unclean, in the record of prestart and shutdown: the start of the container before this
	// one has ended without a shutdown that succeeded.
	Unclean bool         `json:"unclean,omitempty"`
	Steps   []StepRecord `json:"steps,omitempty"`
	Totals  Totals       `json:"totals"`
}

// MainIdentity identifies a main process, because a PID alone is reused.
type MainIdentity struct {
	PID int `json:"pid"`
	// StartTime is in clock ticks since boot (proc_pid_stat(5), field 22).
	StartTime uint64 `json:"startTime"`
}

// String returns the identity for people: "PID@STARTTIME".
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
	// DoneIn is the earlier run of this instance in which a step with once has
	// succeeded.
	DoneIn string `json:"doneIn,omitempty"`
	// Owed: the step was skipped because it was unknown whether the pod ends. It runs when
	// that becomes known.
	Owed  bool   `json:"owed,omitempty"`
	Error string `json:"error,omitempty"`
	// Waiting says what a running step waits for.
	Waiting string `json:"waiting,omitempty"`
	// Connections is how many a wait for few of them has seen last, nil for other steps.
	Connections *int `json:"connections,omitempty"`
	// Tail contains the last lines of output; see AddTail.
	Tail []string `json:"tail,omitempty"`
}

// The limits of a Tail.
const (
	maxTailLines = 10
	maxTailBytes = 2048
)

// AddTail adds a line of output and drops the oldest ones, so that at most 10 lines and
// 2048 bytes remain. It replaces invalid UTF-8 by U+FFFD.
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

// RecordError says that run.json cannot be used. It never prevents a run: the next run
// overwrites the file.
type RecordError struct {
	Path string
	Err  error
}

func (e *RecordError) Error() string {
	return fmt.Sprintf("%s: no usable record: %v", e.Path, e.Err)
}

// Unwrap returns the cause.
func (e *RecordError) Unwrap() error { return e.Err }

// VersionError says that another version of podhook has written a record.
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
		// Another version may have other types, so its number explains more.
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

// ofInstance reports whether a file was written in the instance id. Such a file is
// complete, because it was renamed. A file that a crash of the machine has damaged is of
// an earlier instance, even if it does not say so any more.
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

// Clone returns a copy that shares nothing with r.
func (r Record) Clone() Record {
	r.End = clonePointer(r.End)
	r.Main, r.For = clonePointer(r.Main), clonePointer(r.For)
	r.Steps = slices.Clone(r.Steps)
	for i := range r.Steps {
		s := &r.Steps[i]
		s.Start, s.End = clonePointer(s.Start), clonePointer(s.End)
		s.ExitCode, s.Connections = clonePointer(s.ExitCode), clonePointer(s.Connections)
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

// brief returns the record without what only people need: the output of steps, what they
// waited for, and the steps that no later run needs.
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

// interrupt changes a record that says running, and whose process has ended. It counts the run and its
// running steps, which that process could not count. How long they took is unknown.
func (r *Record) interrupt() {
	if r.Outcome != Running {
		return
	}
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
