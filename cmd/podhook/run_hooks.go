package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"syscall"

	"github.com/podhook/podhook/agent"
	"github.com/podhook/podhook/agent/lifecycle"
	"github.com/podhook/podhook/agent/show"
	"github.com/podhook/podhook/agent/supervisor"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/process"
)

// companions are what podhook run lives with beside CMD. Without life and beside
// it is inert: no hooks, no listener, the behaviour of a plain init.
type companions struct {
	super *supervisor.Supervisor
	// rewrite is what the supervisor rewrites, and the life does not.
	rewrite map[syscall.Signal]syscall.Signal
	life    *lifecycle.Life
	beside  *agent.Beside
	cancel  context.CancelCauseFunc
}

// openCompanions reads the hooks. What is wrong with them stops the start before
// anything runs. Where there are none, no state is needed either.
func (p *parts) openCompanions(ctx context.Context, c *call, reaper *process.Reaper, f *runFlags, command supervisor.Command) (*companions, error) {
	configuration, err := agent.LoadConfiguration(agent.SourceOf(p.settings, c.env), nil, p.logger)
	if err != nil {
		return nil, err
	}
	cfg, err := configuration.Get()
	if err != nil {
		return nil, err
	}
	k := &companions{}
	stops, rewrite := p.stopSignals(f.rewrite)
	if p.settings.Listen == "" && !hasSteps(cfg) {
		maps.Copy(rewrite, stops)
		k.rewrite = rewrite
		return k, nil
	}
	k.rewrite = rewrite
	p.openStore()
	configuration.KeepIn(p.store)
	if p.storeErr != nil {
		if p.settings.Listen != "" || len(cfg.Hooks[config.Prestart].Steps) > 0 {
			return nil, &hooks.NotRecordedError{Err: p.storeErr}
		}
		p.logger.Warn("shutdown is run, and not recorded", "error", p.storeErr.Error())
	}
	if p.settings.Main != "" {
		if err := p.findMain(); err != nil {
			return nil, err
		}
	} else if f.prestart == lifecycle.Gate {
		if err := needsNoMain(cfg.Hooks[config.Prestart]); err != nil {
			return nil, err
		}
	}
	if err := p.startLife(ctx, c, k, configuration, reaper, lifecycle.Options{Command: command, Prestart: f.prestart, StopSignals: stops}); err != nil {
		k.close()
		return nil, err
	}
	return k, nil
}

// stopSignals are the signals that ask the container to stop, with what CMD gets
// for each, and the rewritings of the others. A stop signal that is dropped asks
// for nothing.
func (p *parts) stopSignals(rewrite map[syscall.Signal]syscall.Signal) (stops, others map[syscall.Signal]syscall.Signal) {
	stops, others = map[syscall.Signal]syscall.Signal{}, maps.Clone(rewrite)
	for _, sig := range p.settings.StopSignals {
		to, rewritten := rewrite[sig]
		switch {
		case rewritten && to == 0:
			continue
		case p.settings.StopSignal != 0:
			to = syscall.Signal(p.settings.StopSignal)
		case !rewritten:
			to = sig
		}
		stops[sig] = to
		delete(others, sig)
	}
	return stops, others
}

// needsNoMain refuses steps that have to do with a main process that prestart
// gates.
func needsNoMain(prestart *config.Hook) error {
	var all []error
	for i, step := range prestart.Steps {
		if _, ok := step.Action.(config.Signal); ok {
			all = append(all, config.Problem{Pos: step.Pos, Field: fmt.Sprintf("hooks.prestart.steps[%d].signal", i),
				Msg: "the main process is started after prestart: use --prestart=background, or another hook"})
		}
	}
	if len(all) == 0 {
		return nil
	}
	return usagef("%v", errors.Join(all...))
}

func hasSteps(cfg *config.Config) bool {
	for _, hook := range cfg.Hooks {
		if len(hook.Steps) > 0 {
			return true
		}
	}
	return false
}

// startLife makes what beside CMD lives, and lets the agent listen. o lacks what
// is made here.
func (p *parts) startLife(ctx context.Context, c *call, k *companions, configuration *agent.Configuration, reaper *process.Reaper, o lifecycle.Options) error {
	ctx, k.cancel = context.WithCancelCause(ctx)
	o.Main = lifecycle.NewMain(func(sig syscall.Signal) error { return k.super.Deliver(sig) })
	var main hooks.MainProcess = o.Main
	if p.finder != nil {
		main = p.finderMain()
	}
	a, err := p.assemble(ctx, c, configuration, reaper, main)
	if err != nil {
		return err
	}
	p.adopt(reaper)
	o.Runner, o.Grace, o.Store, o.Logger = a.Runner, a.Runner.Grace, p.store, p.logger
	o.Killed = show.NewTermination(p.settings.TerminationLog, p.logger).MainKilled
	k.life = lifecycle.New(ctx, o)
	if p.settings.Listen == "" {
		return nil
	}
	listener, err := listen(a)
	if err != nil {
		return err
	}
	k.beside = a.Start(listener)
	return nil
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
