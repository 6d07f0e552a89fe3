package show

import (
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/state"
)

// All passes everything to several observers, in order.
type All []hooks.Observer

// Began passes on the begin of a run.
func (a All) Began(rec state.Record) {
	for _, o := range a {
		o.Began(rec)
	}
}

// StepEnded passes on the end of a step.
func (a All) StepEnded(hook, runID string, step state.StepRecord) {
	for _, o := range a {
		o.StepEnded(hook, runID, step)
	}
}

// Line passes on a line.
func (a All) Line(line hooks.Line) {
	for _, o := range a {
		o.Line(line)
	}
}

// Ended passes on the end of a run.
func (a All) Ended(rec state.Record) {
	for _, o := range a {
		o.Ended(rec)
	}
}
