package hooks

import (
	"context"
	"syscall"

	"github.com/podhook/podhook/hooks/process"
	"github.com/podhook/podhook/hooks/state"
)

// Observer is told what happens, while it happens. Its methods are called by
// one goroutine at a time for a run, by several for several runs, and must not
// block: a log that nobody reads must not delay a hook.
type Observer interface {
	Started(state.Record)
	Line(Line)
	Ended(state.Record)
}

// Line is one line that a step printed.
type Line struct {
	Hook, Step, RunID string
	process.Line
}

type nobody struct{}

func (nobody) Started(state.Record) {}
func (nobody) Line(Line)            {}
func (nobody) Ended(state.Record)   {}

// MainProcess is the workload the container exists for.
type MainProcess interface {
	// Signal reports gone, and no error, where the main process has exited.
	Signal(syscall.Signal) (gone bool, err error)
	// WaitExit returns nil when the main process has exited, or where there is
	// none, and the context's error when that comes first.
	WaitExit(context.Context) error
	// Identity is nil where there is no main process now.
	Identity() *state.MainIdentity
}
