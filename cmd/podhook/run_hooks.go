package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"syscall"

	"github.com/podhook/podhook/agent"
	"github.com/podhook/podhook/agent/lifecycle"
	"github.com/podhook/podhook/agent/mainprocess"
	"github.com/podhook/podhook/agent/show"
	"github.com/podhook/podhook/agent/supervisor"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/process"
)

// hookRuntime holds the hooks and the listener that run alongside CMD. Without container
// and beside it is inert: no hooks, no listener, the behaviour of a plain init.
type hookRuntime struct {
	// rewrite is what the supervisor rewrites, and the container does not.
	rewrite   map[syscall.Signal]syscall.Signal
	container *lifecycle.Container
	beside    *agent.Beside
	cancel    context.CancelCauseFunc
}

// openHookRuntime reads the hooks. What is wrong with them stops the start before
// anything runs. Where there are none, no state is needed either.
func (p *parts) openHookRuntime(ctx context.Context, c *call, reaper *process.Reaper, f *runFlags, command supervisor.Command) (*hookRuntime, error) {
	configuration, err := agent.LoadConfiguration(agent.SourceOf(p.settings, c.env), nil, p.logger)
	if err != nil {
		return nil, err
	}
	cfg, err := configuration.Get()
	if err != nil {
		return nil, err
	}
	r := &hookRuntime{}
	stops, rewrite := p.stopSignals(f.rewrite)
	if p.settings.Listen == "" && !hasSteps(cfg) {
		maps.Copy(rewrite, stops)
		r.rewrite = rewrite
		return r, nil
	}
	r.rewrite = rewrite
	p.openStore(false)
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
	o := lifecycle.Options{Command: command, Prestart: f.prestart, StopSignals: stops}
	if err := p.startHookRuntime(ctx, c, r, configuration, reaper, o); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
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

// startHookRuntime makes what runs alongside CMD, and lets the agent listen. o lacks what
// is made here.
func (p *parts) startHookRuntime(ctx context.Context, c *call, r *hookRuntime, configuration *agent.Configuration, reaper *process.Reaper, o lifecycle.Options) error {
	ctx, r.cancel = context.WithCancelCause(ctx)
	o.Main = mainprocess.NewChild()
	var main hooks.MainProcess = o.Main
	if p.finder != nil {
		main = p.finderMain()
	}
	a, err := p.assemble(ctx, c, configuration, reaper, main)
	if err != nil {
		return err
	}
	go a.WatchMain(ctx)
	p.adopt(reaper)
	o.Runner, o.Grace, o.Store, o.Logger = a.Runner, a.Runner.Options.Grace, p.store, p.logger
	o.Killed = show.NewTermination(p.settings.TerminationLog, p.logger).MainKilled
	r.container = lifecycle.New(ctx, o)
	if p.settings.Listen == "" {
		return nil
	}
	listener, err := listen(a)
	if err != nil {
		return err
	}
	r.beside = a.Start(listener)
	return nil
}

// hold is nil where nothing is to be held.
func (r *hookRuntime) hold() func(syscall.Signal) bool {
	if r.container == nil {
		return nil
	}
	return r.container.Signal
}

// live is what happens from the start to the end of CMD, hooks included.
func (r *hookRuntime) live(super *supervisor.Supervisor, command supervisor.Command) (code int, err error) {
	if r.container != nil {
		return r.container.Run(super)
	}
	_, exited, err := super.Start(command)
	if err != nil {
		return 0, err
	}
	return process.ExitCode(<-exited), nil
}

// close answers the calls that are there; what still runs ends with podhook.
func (r *hookRuntime) close() {
	if r.beside != nil {
		r.beside.Leave()
	}
	if r.cancel != nil {
		r.cancel(errors.New("podhook ends"))
	}
}
