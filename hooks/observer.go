package hooks

import (
	"github.com/podhook/podhook/hooks/process"
	"github.com/podhook/podhook/hooks/state"
)

// Observer is told what happens, while it happens. Its methods must not block: a log
// that nobody reads must not delay a hook. One goroutine at a time calls them for a
// run; several runs call them at the same time.
type Observer interface {
	// Began gets the record of a run that begins.
	Began(state.Record)
	// Line gets a line that a step printed, or that podhook says about the step.
	Line(Line)
	// StepEnded gets the record of a step that has ended or is skipped.
	StepEnded(hook, runID string, step state.StepRecord)
	// Ended gets the record of a run that has ended.
	Ended(state.Record)
}

// Line is one line that a step printed, or that podhook says about it.
type Line struct {
	Hook, Step, RunID string
	Line              process.Line
	// Trouble says that the line is about a failure. Only podhook's own lines have it.
	Trouble bool
}

// Own is the stream of podhook's own words about a step.
const Own process.Stream = "podhook"

type nobody struct{}

func (nobody) Began(state.Record)                         {}
func (nobody) Line(Line)                                  {}
func (nobody) StepEnded(string, string, state.StepRecord) {}
func (nobody) Ended(state.Record)                         {}
