package main

import (
	"context"
	"errors"
	"syscall"

	"github.com/podhook/podhook/agent"
	"github.com/podhook/podhook/agent/lifecycle"
	"github.com/podhook/podhook/agent/supervisor"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/process"
)

// companions are what podhook run lives with beside CMD. Without life and beside
// it is inert: no hooks, no listener, the behaviour of a plain init.
type companions struct {
	super  *supervisor.Supervisor
	life   *lifecycle.Life
	beside *agent.Beside
	cancel context.CancelCauseFunc
}

// openCompanions reads the hooks. What is wrong with them stops the start before
// anything runs. Where there are none, no state is needed either.
func (p *parts) openCompanions(ctx context.Context, c *call, reaper *process.Reaper, mode lifecycle.Mode, command supervisor.Command) (*companions, error) {
	cfg, err := config.Load(agent.SourceOf(p.settings, c.env))
	if err != nil {
		return nil, err
	}
	if p.settings.Listen == "" && p.settings.StopSignal == 0 && !hasSteps(cfg) {
		return &companions{}, nil
	}
	p.openStore()
	if p.storeErr != nil {
		if p.settings.Listen != "" || len(cfg.Hooks[config.Prestart].Steps) > 0 {
			return nil, p.storeErr
		}
		p.logger.Warn("shutdown is run, and not recorded", "error", p.storeErr.Error())
	}
	if p.settings.Main != "" {
		if err := p.findMain(); err != nil {
			return nil, err
		}
	}
	return p.newCompanions(ctx, c, reaper, mode, command)
}

func hasSteps(cfg *config.Config) bool {
	for _, hook := range cfg.Hooks {
		if len(hook.Steps) > 0 {
			return true
		}
	}
	return false
}

func (p *parts) newCompanions(ctx context.Context, c *call, reaper *process.Reaper, mode lifecycle.Mode, command supervisor.Command) (*companions, error) {
	k := &companions{}
	ctx, k.cancel = context.WithCancelCause(ctx)
	child := lifecycle.NewMain(func(sig syscall.Signal) { k.super.Deliver(sig) })
	var main hooks.MainProcess = child
	if p.finder != nil {
		main = p.finderMain()
	}
	a, err := p.assemble(ctx, c, reaper, main)
	if err != nil {
		k.close()
		return nil, err
	}
	// Not as PID 1, a step's orphans come to us only as a subreaper.
	if err := reaper.Subreaper(); err != nil {
		p.logger.Warn("not a subreaper: a step's orphans outlive its timeout", "error", err.Error())
	}
	k.life = lifecycle.New(ctx, lifecycle.Options{
		Command: command, Prestart: mode, Runner: a.Runner, Main: child, Store: p.store, Grace: a.Runner.Grace,
		StopSignals: p.settings.StopSignals, StopSignal: syscall.Signal(p.settings.StopSignal), Logger: p.logger,
	})
	if p.settings.Listen == "" {
		return k, nil
	}
	listener, err := listen(a)
	if err != nil {
		k.close()
		return nil, err
	}
	k.beside = a.Start(listener)
	return k, nil
}

// hold is nil where nothing is to be held.
func (k *companions) hold() func(syscall.Signal) bool {
	if k.life == nil {
		return nil
	}
	return k.life.Hold
}

// live is what happens from the start to the end of CMD, hooks included.
func (k *companions) live(command supervisor.Command) (code int, err error) {
	if k.life != nil {
		return k.life.Run(k.super)
	}
	_, exited, err := k.super.Start(command)
	if err != nil {
		return 0, err
	}
	return supervisor.ExitCode((<-exited).Status), nil
}

// close answers the calls that are there; what still runs ends with podhook.
func (k *companions) close() {
	if k.beside != nil {
		k.beside.Leave()
	}
	if k.cancel != nil {
		k.cancel(errors.New("podhook ends"))
	}
}
