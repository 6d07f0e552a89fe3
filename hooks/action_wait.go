package hooks

import (
	"context"
	"errors"
	"time"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/hooks/wait"
)

// waitFor waits for a condition. What was seen last is in the status while it
// waits, and at its end in the output. A shutdown does not wait on when the main
// process has gone, whose work mostly is what is waited for; where it has waited for
// just that before, this is about something else.
func waitFor(ctx context.Context, a *action, do config.Wait) {
	what := do.For.String()
	if _, ok := do.For.(config.MainExit); ok {
		a.waitMain(ctx)
		return
	}
	look, waiting, first := wait.For(do.For), ctx, true
	watched := a.run.hook.Name == config.Shutdown && a.run.runner.Options.Main != nil && !a.run.outlived.Load()
	if watched {
		var cancel context.CancelFunc
		waiting, cancel = a.whileMain(ctx)
		defer cancel()
	}
	last, err := look.Until(waiting, do.Interval, func(seen string) {
		if first {
			a.say("waiting for " + what + ": " + seen)
			first = false
		}
		a.waiting(what + ": " + seen)
	})
	gone := ""
	if err != nil && ctx.Err() == nil && watched {
		gone = a.mainGone(waiting)
	}
	if gone != "" { // the look that its end has cut short says nothing
		short, cancel := context.WithTimeout(ctx, lastLook)
		defer cancel()
		seen := look.Once(short)
		if last = seen.Text; seen.Done {
			err = nil
		}
	}
	switch {
	case err == nil:
		a.succeed()
		a.say(what + ": " + last)
	case gone != "":
		a.rec.Outcome, a.rec.Error = state.Skipped, "not waited to the end: "+gone+"; seen last of "+what+": "+last
		a.say(a.rec.Error)
	case ctx.Err() != nil:
		a.stopped(ctx)
		a.rec.Error += "; seen last of " + what + ": " + last
		a.say(a.rec.Error)
	default:
		a.fail(what + ": " + err.Error())
	}
}

// lastLook bounds the look at a condition when the main process has gone.
const lastLook = time.Second

// whileMain ends when the main process of a shutdown has gone, with a *GoneError as
// its cause.
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

// mainGone says why there is no main process to wait for, or nothing. What was waited
// for may have failed because of it, before its end was seen.
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

// waitMain waits, without looking, for the exit of the main process that was
// there when the run began. One that is gone has exited; another one that has
// come since is not waited for.
func (a *action) waitMain(ctx context.Context) {
	if a.run.runner.Options.Main == nil {
		a.fail(config.NoMain)
		return
	}
	err := a.run.runner.Options.Main.WaitExit(ctx, a.run.rec.Main)
	if !hasExited(err) {
		a.failed(ctx, err)
		return
	}
	a.succeed()
	a.run.outlived.Store(true)
	if err != nil {
		a.say(err.Error())
		return
	}
	a.say(mainHasExited)
}
