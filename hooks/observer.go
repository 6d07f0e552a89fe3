package hooks

import (
	"github.com/podhook/podhook/hooks/process"
	"github.com/podhook/podhook/hooks/state"
)

// Observer is told what happens, while it happens. Its methods must not block: a log
// that nobody reads must not delay a hook. One goroutine at a time calls them for a
// run; several runs call them at the same time.
type Observer interface {
	// Line gets a line that a step printed.
	Line(Line)
	// Ended gets the record of a run that has ended.
	Ended(state.Record)
}

// Line is one line that a step printed.
type Line struct {
	Hook, Step, RunID string
	Line              process.Line
}

type nobody struct{}

func (nobody) Line(Line)          {}
func (nobody) Ended(state.Record) {}
