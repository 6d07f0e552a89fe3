package hooks

import (
	"context"
	"errors"
	"time"

	"github.com/podhook/podhook/hooks/config"
)

// sleep waits. In a shutdown it ends early when the main process exits or is gone:
// nothing is left to wait for.
func sleep(ctx context.Context, a *action, do config.Sleep) {
	timer := time.NewTimer(do.Duration)
	defer timer.Stop()
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	select {
	case <-timer.C:
		a.succeed()
	case why := <-a.mainExit(waiting):
		a.succeed()
		a.say("not slept to the end: " + why)
	case <-ctx.Done():
		a.stopped(ctx)
	}
}

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
