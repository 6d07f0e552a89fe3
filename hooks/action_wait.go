package hooks

import (
	"context"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/wait"
)

// wait waits for a condition. What was seen last is in the status while it
// waits, and at its end in the output.
func (a *action) wait(ctx context.Context, do config.Wait) {
	what := do.For.String()
	if _, ok := do.For.(config.MainExit); ok {
		a.waitMain(ctx)
		return
	}
	first := true
	last, err := wait.For(do.For).Until(ctx, do.Interval, func(seen string) {
		if first {
			a.say("waiting for " + what + ": " + seen)
			first = false
		}
		a.waiting(what + ": " + seen)
	})
	switch {
	case err == nil:
		a.succeed()
		a.say(what + ": " + last)
	case ctx.Err() != nil:
		a.stopped(ctx)
		a.rec.Error += "; seen last of " + what + ": " + last
		a.say(a.rec.Error)
	default:
		a.fail(what + ": " + err.Error())
	}
}

// waitMain waits, without looking, for the exit of the main process that was
// there when the run began. One that is gone has exited; another one that has
// come since is not waited for.
func (a *action) waitMain(ctx context.Context) {
	if a.Main == nil {
		a.fail("no main process is configured: set PODHOOK_MAIN")
		return
	}
	err := a.Main.WaitExit(ctx, a.run.rec.Main)
	if !hasExited(err) {
		a.failed(ctx, err)
		return
	}
	a.succeed()
	if err != nil {
		a.say(err.Error())
		return
	}
	a.say(mainHasExited)
}
