package hooks

import (
	"context"
	"syscall"

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

// MainProcess is the workload that the container exists for, or another process that
// gets a signal. Its methods may be called from any goroutine.
type MainProcess interface {
	// Signal sends a signal. The error is a *GoneError if the process is known to be
	// gone.
	Signal(syscall.Signal) error
	// WaitExit waits for the exit of the process that began names, or of the current
	// process if began is nil. It returns nil after the exit, a *GoneError if the
	// process was gone before, and the context's error if ctx ends first.
	WaitExit(ctx context.Context, began *state.MainIdentity) error
	// Identity returns nil if there is no main process now, or if it cannot be known.
	Identity() *state.MainIdentity
}

// GoneError is a process that is known to be gone: it has exited, or podhook run has
// not started it. A process that was never seen is another error, because it may live.
type GoneError struct{ Why string }

func (e *GoneError) Error() string { return e.Why }
