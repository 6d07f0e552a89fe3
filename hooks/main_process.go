package hooks

import (
	"context"
	"errors"
	"syscall"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

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

const mainHasExited = "the main process has exited"

// mainExit returns a channel that gets a text when the main process of a shutdown has
// exited or is gone. In another hook, or without a main process, it gets nothing.
func (a *action) mainExit(ctx context.Context) <-chan string {
	exited := make(chan string, 1)
	if a.run.hook.Name != config.Shutdown || a.run.runner.Options.Main == nil {
		return exited
	}
	go func() {
		switch err := a.run.runner.Options.Main.WaitExit(ctx, a.run.rec.Main); {
		case err == nil:
			exited <- mainHasExited
		case hasExited(err):
			exited <- err.Error()
		}
	}()
	return exited
}

// hasExited reports whether the error of WaitExit means that the process has exited.
func hasExited(err error) bool {
	var gone *GoneError
	return err == nil || errors.As(err, &gone)
}

// whileMain returns a context that ends when the main process of a shutdown has gone.
// Its cause is then a *GoneError.
func (a *action) whileMain(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, end := context.WithCancelCause(ctx)
	go func() {
		select {
		case why := <-a.mainExit(ctx):
			end(&GoneError{Why: why})
		case <-ctx.Done():
		}
	}()
	return ctx, func() { end(nil) }
}

// mainGone returns why the main process is gone, or "". A condition may fail because
// of the exit before podhook sees the exit, so mainGone looks once more.
func (a *action) mainGone(waiting context.Context) string {
	var gone *GoneError
	if errors.As(context.Cause(waiting), &gone) {
		return gone.Why
	}
	now, cancel := context.WithCancel(context.Background())
	cancel()
	err := a.run.runner.Options.Main.WaitExit(now, a.run.rec.Main)
	switch {
	case err == nil:
		return mainHasExited
	case hasExited(err):
		return err.Error()
	}
	return ""
}
