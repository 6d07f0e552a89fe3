package agent

import (
	"context"
	"errors"
	"os"

	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/procfs"
	"github.com/podhook/podhook/hooks/state"
)

var errStopped = errors.New("the agent was told to stop")

// takeOver runs prestart if the container of the main process is older than the agent and
// has no record of it: kubelet calls a postStart once, and not again when another container
// is restarted (deploy/kubernetes/kubelet.md). It ends with ctx.
func (a *Agent) takeOver(ctx context.Context, main *state.MainIdentity) {
	began := ownStart()
	other := a.Store.OtherContainer(main)
	if other == nil || other.Began >= began {
		return
	}
	cfg, err := a.Configuration.Get()
	if err != nil || a.Settings.Disabled || len(cfg.Hooks[config.Prestart].Steps) == 0 {
		return
	}
	rec, found, err := a.Store.Hook(config.Prestart).Read()
	if err == nil && found && a.Runner.Current(rec) && rec.Outcome != state.Interrupted {
		return
	}
	if now := a.Store.OtherContainer(a.Runner.Options.Main.Identity()); now == nil || *now != *other {
		return // the container has ended, and its record with it
	}
	a.Logger.Info("prestart is run, the main container was started before the agent and nobody will call it", "pid", main.PID)
	flight, _, err := a.Runner.Start(config.Prestart, hooks.Request{Trigger: state.TriggerStart})
	if err == nil {
		_, err = flight.Wait(ctx)
	}
	switch {
	case ctx.Err() != nil:
		a.Runner.Interrupt(errStopped, func(hook string) bool { return hook == config.Prestart })
	case err != nil:
		a.Logger.Error("prestart not run", "error", err.Error())
	}
}

// ownStart is when this process started, however long it took to get here.
func ownStart() uint64 {
	own, err := procfs.Proc.Stat(os.Getpid())
	if err != nil {
		return procfs.Now()
	}
	return own.Start
}
