package main

import (
	"log/slog"

	"github.com/podhook/podhook/agent"
	"github.com/podhook/podhook/agent/mainprocess"
	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/agent/show"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/state"
)

// parts are what the commands are made of.
type parts struct {
	settings *settings.Settings
	store    *state.Store // nil where there is none; storeErr says why
	storeErr error
	finder   *mainprocess.Finder // nil where no main process is configured
	log      *show.NonBlocking
	logger   *slog.Logger
}

// open reads the settings and finds the state. That the state cannot be had is
// not an error yet: shutdown does its work without.
func open(c *call, log *show.NonBlocking) (*parts, error) {
	s, err := settings.Load(c.env)
	if err != nil {
		return nil, err
	}
	p := &parts{settings: s, log: log, logger: show.NewLogger(log, s.LogFormat)}
	p.store, p.storeErr = state.Open(state.Options{Dir: string(s.StateDir), OutputLimit: int(s.OutputLimit)})
	return p, p.findMain()
}

// findMain takes the main process that is set, or the one that podhook run has
// started in this instance.
func (p *parts) findMain() error {
	if p.settings.Main != "" {
		target, err := mainprocess.Parse(p.settings.Main)
		if err != nil {
			return usagef("PODHOOK_MAIN: %v", err)
		}
		p.finder = mainprocess.NewFinder(target)
		return nil
	}
	if p.store != nil {
		if main, ok := p.store.Main(); ok {
			p.finder = mainprocess.NewFinder(mainprocess.Started(main.PID, main.StartTime))
		}
	}
	return nil
}

// openState is open for the commands that only read the state.
func openState(c *call, log *show.NonBlocking) (*parts, error) {
	p, err := open(c, log)
	if err == nil {
		err = p.storeErr
	}
	return p, err
}

// options are a Runner's, but for its configuration and its reaper.
func (p *parts) options(c *call) hooks.Options {
	o := hooks.Options{
		Store:    p.store,
		StoreErr: p.storeErr,
		Environ:  c.env,
		Grace:    hooks.Grace{Period: p.settings.GracePeriod, Margin: p.settings.GraceMargin},
		Disabled: p.settings.Disabled,
		Observer: show.All{show.Log{Logger: p.logger}, show.NewTermination(p.settings.TerminationLog, p.logger)},
	}
	if p.finder != nil {
		o.Main = agent.Main{Finder: p.finder}
	}
	return o
}
