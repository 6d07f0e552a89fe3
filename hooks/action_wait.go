package hooks

import (
	"context"
	"time"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/process"
	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/hooks/wait"
)

// waitFor waits for a condition. It shows what it saw last in the status, and at the
// end in the output.
//
// In a shutdown it stops waiting when the main process has gone, because most
// conditions depend on the main process. After a step that has waited for the main
// process's exit it goes on: then the condition is about something else.
func waitFor(ctx context.Context, a *action, do config.Wait) {
	what := do.For.String()
	if _, ok := do.For.(config.MainExit); ok {
		a.waitMain(ctx)
		return
	}
	look, waiting := a.look(do), ctx
	watched := a.run.hook.Name == config.Shutdown && a.run.runner.Options.Main != nil && !a.run.outlived.Load()
	if watched {
		var cancel context.CancelFunc
		waiting, cancel = a.whileMain(ctx)
		defer cancel()
	}
	progress := tellProgress(do, a.say)
	last, err := look.Until(waiting, wait.Interval(do), func(seen string) {
		progress(seen)
		a.waiting(what + ": " + seen)
	})
	gone := ""
	if err != nil && ctx.Err() == nil && watched {
		gone = a.mainGone(waiting)
	}
	if gone != "" { // the exit has cut the last look short, so look again
		short, cancel := context.WithTimeout(ctx, lastLook)
		defer cancel()
		seen := look(short)
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

// sayInterval is the shortest time between two lines about what a wait sees.
const sayInterval = time.Second

// tellProgress returns what tells what a wait sees: once, and of connections each time that
// it is something else.
func tellProgress(do config.Wait, say func(string)) func(seen string) {
	_, connections := do.For.(config.Connections)
	var said string
	var at time.Time
	return func(seen string) {
		switch {
		case at.IsZero():
			say("waiting for " + do.For.String() + ": " + seen)
		case connections && seen != said && time.Since(at) >= sayInterval:
			say(seen)
		default:
			return
		}
		said, at = seen, time.Now()
	}
}

// look returns the check of a wait.
func (a *action) look(do config.Wait) wait.Look {
	look := wait.For(do.For)
	if c, ok := do.For.(config.Program); ok {
		look = wait.Program(c, a.tryProgram)
	}
	look = look.Holding(do.Holds)
	return func(ctx context.Context) wait.Seen {
		seen := look(ctx)
		if seen.Connections != nil {
			a.rec.Connections = seen.Connections
		}
		return seen
	}
}

// tryProgram runs a program whose exit code is waited for. Of its output only the last
// line is kept.
func (a *action) tryProgram(ctx context.Context, argv []string) (code int, last string, err error) {
	var printed wait.LastLine
	result, err := a.execute(ctx, argv, func(l process.Line) {
		if !a.unit.step.Quiet {
			printed.Set(a.run.mask.hide(l.Text))
		}
	})
	return result.ExitCode, printed.String(), err
}

// lastLook is the timeout of the look after the main process has gone.
const lastLook = time.Second

// waitMain waits for the exit of the main process that the run began with, without
// polling. It does not wait for a main process that has started since.
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
