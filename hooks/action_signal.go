package hooks

import (
	"context"
	"errors"
	"fmt"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// sendSignal sends a signal. It succeeds if the process is known to be gone: that is
// the purpose of a stop signal, and a retry would only use up the grace period.
func sendSignal(_ context.Context, a *action, do config.Signal) {
	name, target := config.SignalName(do.Signal), a.run.runner.Options.Main
	if do.To != "" {
		var err error
		if target, err = a.run.runner.Options.Target(do.To); err != nil {
			a.fail(err.Error())
			return
		}
	} else if target == nil {
		a.fail(config.NoMain)
		return
	}
	err := target.Signal(do.Signal)
	var gone *GoneError
	switch {
	case errors.As(err, &gone):
		a.succeed()
		a.say(name + " not sent: " + gone.Why)
	case err != nil:
		a.fail(fmt.Sprintf("cannot send %s to %s: %v", name, do.Target(), err))
	default:
		a.succeed()
		if do.To == "" {
			a.run.count(func(t *state.Totals) { t.AddSignal(name) })
		}
		a.say(name + " sent to " + do.Target())
	}
}
