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

// hookRuntime holds the hooks and the listener that run alongside CMD. One that has
// neither is inert: podhook run is a plain init then.
type hookRuntime struct {
	// rewrite holds the signals that the supervisor rewrites. The lifecycle rewrites
	// those that it holds.
	rewrite map[syscall.Signal]syscall.Signal
	// awaitAll ends what CMD leaves behind, where there is no container. It may be nil.
	awaitAll  func(context.Context)
	container *lifecycle.Container
	agent     *agent.Agent
	beside    *agent.Beside
	cancel    context.CancelCauseFunc
}

// openHookRuntime reads the hooks and lets the agent listen. An error in them ends
// podhook run before anything else runs. It needs no state if there are no hooks.
func (c *container) openHookRuntime(ctx context.Context, inv *invocation, reaper *process.Reaper, f *runFlags, command supervisor.Command) (*hookRuntime, error) {
	configuration, err := agent.LoadConfiguration(agent.SourceOf(c.settings, inv.env), nil, c.logger)
	if err != nil {
		return nil, err
	}
	cfg, err := configuration.Get()
	if err != nil {
		return nil, err
	}
	stops, rewrite := c.stopSignals(f.rewrite)
	if !c.listens() && !hasWork(cfg) {
		maps.Copy(rewrite, stops)
		return &hookRuntime{rewrite: rewrite, awaitAll: f.awaitAll(c, reaper)}, nil
	}
	if err := c.openForRun(cfg, f.prestart); err != nil {
		return nil, err
	}
	configuration.KeepIn(c.store)
	r := &hookRuntime{rewrite: rewrite}
	ctx, r.cancel = context.WithCancelCause(ctx)
	started := mainprocess.NewChild()
	var main hooks.MainProcess = started
	if c.finder != nil {
		main = c.main()
	}
	a, err := c.newAgent(ctx, inv, configuration, reaper, main)
	if err != nil {
		r.close()
		return nil, err
	}
	a.Child = started
	go a.WatchMain(ctx)
	r.agent = a
	r.container = lifecycle.New(ctx, lifecycle.Options{
		Command: command, Prestart: f.prestart, StopSignals: stops, Main: started, Course: &a.Course,
		Runner: a.Runner, Grace: a.Runner.Options.Grace, Store: c.store, Logger: c.logger,
		AwaitAll: f.awaitAll(c, reaper),
		Killed:   show.NewTermination(c.settings.TerminationLog, c.logger).MainKilled,
		Watch:    a.WatchFiles,
		Farewell: c.events.Flush,
	})
	if c.listens() {
		limitMemory()
		doors, err := openDoors(a, string(c.settings.Listen))
		if err != nil {
			r.close()
			return nil, err
		}
		r.beside = a.Start(doors)
	}
	return r, nil
}

// listens reports whether podhook run has an agent.
func (c *container) listens() bool { return c.settings.Listen != "" || c.settings.MetricsListen != "" }

// openForRun opens the state and finds the main process of PODHOOK_MAIN. Only a
// container that has no prestart, does not listen and watches nothing can start without a state.
func (c *container) openForRun(cfg *config.Config, mode lifecycle.Mode) error {
	c.openStore(toWrite)
	if c.storeErr != nil {
		if c.listens() || cfg.Watches() || len(cfg.Hooks[config.Prestart].Steps) > 0 {
			return &hooks.NotRecordedError{Err: c.storeErr}
		}
		c.logger.Warn("shutdown is run, and not recorded", "error", c.storeErr.Error())
	}
	if c.settings.Main != "" {
		return c.findMain()
	}
	if mode == lifecycle.Gate {
		return needsNoMain(cfg.Hooks[config.Prestart])
	}
	return nil
}

// stopSignals returns the stop signals with the signal that CMD gets for each, and the
// rewritings of all other signals. A stop signal that --rewrite drops is none.
func (c *container) stopSignals(rewrite map[syscall.Signal]syscall.Signal) (stops, others map[syscall.Signal]syscall.Signal) {
	stops, others = map[syscall.Signal]syscall.Signal{}, maps.Clone(rewrite)
	for _, sig := range c.settings.StopSignals {
		to, rewritten := rewrite[sig]
		switch {
		case rewritten && to == 0:
			continue
		case c.settings.StopSignal != 0:
			to = syscall.Signal(c.settings.StopSignal)
		case !rewritten:
			to = sig
		}
		stops[sig] = to
		delete(others, sig)
	}
	return stops, others
}

// needsNoMain refuses the steps of prestart that signal CMD, which is started after
// prestart.
func needsNoMain(prestart *config.Hook) error {
	var all []config.Problem
	for i, step := range prestart.Steps {
		if _, ok := step.Action.(config.Signal); ok {
			all = append(all, config.Problem{Pos: step.Pos, Field: fmt.Sprintf("hooks.prestart.steps[%d].signal", i),
				Msg: "the main process is started after prestart: use --prestart=background, or another hook"})
		}
	}
	if len(all) == 0 {
		return nil
	}
	return problems(all)
}

// hasWork reports whether podhook run does more than an init. Others wait for a marker of a
// hook without steps too.
func hasWork(cfg *config.Config) bool {
	for _, hook := range cfg.Hooks {
		if len(hook.Steps) > 0 || hook.Marker != "" {
			return true
		}
	}
	return len(cfg.Ready) > 0 // podhook ready must learn of the stop
}

// threads returns how many threads must exist before CMD, which may use up all PIDs.
func (r *hookRuntime) threads() int {
	if r.container == nil {
		return supervisor.ForSignals
	}
	return supervisor.ForHooks
}

// alone reports whether there is nothing to do but to start CMD and to wait for its end.
func (r *hookRuntime) alone() bool { return r.container == nil && r.awaitAll == nil }

// hold returns the function that holds back stop signals, or nil.
func (r *hookRuntime) hold() func(syscall.Signal) bool {
	if r.container == nil {
		return nil
	}
	return r.container.Signal
}

// live runs CMD and the hooks, or what CMD leaves behind, to their end.
func (r *hookRuntime) live(ctx context.Context, super *supervisor.Supervisor, command supervisor.Command) (code int, err error) {
	if r.container != nil {
		code, err = r.container.Run(super)
		r.agent.LogFigures()
		r.agent.SendFigures()
		return code, err
	}
	_, exited, err := super.Start(command)
	if err != nil {
		return 0, err
	}
	code = process.ExitCode(<-exited)
	r.awaitAll(ctx)
	return code, nil
}

// close answers the calls that wait, and interrupts the runs that go on.
func (r *hookRuntime) close() {
	if r.beside != nil {
		r.beside.Leave()
	}
	if r.cancel != nil {
		r.cancel(errors.New("podhook ends"))
	}
}
