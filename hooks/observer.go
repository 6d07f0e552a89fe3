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
	Line(Line)
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

// MainProcess is the workload the container exists for, or another process that a
// step is sent to. Its methods may be called from any goroutine.
type MainProcess interface {
	// Signal sends a signal. The error is a *GoneError where the process is known to
	// be gone.
	Signal(syscall.Signal) error
	// WaitExit returns nil when the process that began names has exited, which is the
	// one of now where began is nil; a *GoneError where it was gone before; and the
	// context's error when that comes first.
	WaitExit(ctx context.Context, began *state.MainIdentity) error
	// Identity is nil where there is no main process now, or none can be told.
	Identity() *state.MainIdentity
}

// GoneError: a process is known to be gone, so that there is nothing to signal or to
// wait for. It was there and has exited, or podhook run has not started it. One that
// nobody has ever seen is another error: it may live.
type GoneError struct{ Why string }

func (e *GoneError) Error() string { return e.Why }
