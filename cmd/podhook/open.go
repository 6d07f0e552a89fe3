package main

import (
	"log/slog"
	"slices"
	"strings"

	"github.com/podhook/podhook/agent"
	"github.com/podhook/podhook/agent/mainprocess"
	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/agent/show"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/process"
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
	p, err := openSettings(c, log)
	if err != nil {
		return nil, err
	}
	p.openStore(false)
	return p, p.findMain()
}

// openSettings is open without the state.
func openSettings(c *call, log *show.NonBlocking) (*parts, error) {
	c.log = log
	s, err := settings.Load(c.env)
	if err != nil {
		return nil, err
	}
	return &parts{settings: s, log: log, logger: show.NewLogger(log, s.LogFormat)}, nil
}

// openStore opens the state, to be used or only to be shown.
func (p *parts) openStore(show bool) {
	p.store, p.storeErr = state.Open(state.Options{
		Dir: string(p.settings.StateDir), OutputLimit: int(p.settings.OutputLimit), Show: show,
	})
}

// findMain takes the main process that is set, or the one that podhook run has
// started in this instance.
func (p *parts) findMain() error {
	if p.settings.Main != "" {
		target, err := mainprocess.Parse(p.settings.Main)
		if err != nil {
			return usagef("PODHOOK_MAIN: %v", err)
		}
		p.finder = mainprocess.NewFinder(target, p.memory())
		if p.store != nil {
			p.store.LookAfter(p.finderMain().Identity)
		}
		return nil
	}
	if p.store != nil {
		main, ok, err := p.store.Main()
		if err != nil {
			p.logger.Warn("main process not known", "error", err.Error())
		}
		if ok {
			p.finder = mainprocess.NewFinder(mainprocess.Started(main), nil)
		}
	}
	return nil
}

// memory keeps what was seen of processes; nil where there is no state.
func (p *parts) memory() mainprocess.Memory {
	if p.store == nil {
		return nil
	}
	return p.store
}

// openState is open for the commands that show the state, also root that of
// another user.
func openState(c *call, log *show.NonBlocking) (*parts, error) {
	p, err := openSettings(c, log)
	if err != nil {
		return nil, err
	}
	if p.openStore(true); p.storeErr != nil {
		return nil, p.storeErr
	}
	return p, p.findMain()
}

// options are a Runner's, but for its configuration and its reaper.
func (p *parts) options(c *call) hooks.Options {
	return hooks.Options{
		Store:    p.store,
		StoreErr: p.storeErr,
		Environ:  stepEnviron(c.env),
		Target:   mainprocess.Targets(p.memory()),
		Main:     p.finderMain(),
		OneMain:  p.settings.Main == "",
		Grace:    hooks.Grace{Period: p.settings.GracePeriod, Margin: p.settings.GraceMargin},
		Disabled: p.settings.Disabled,
		Observer: show.All{show.Log{Logger: p.logger}, show.NewTermination(p.settings.TerminationLog, p.logger)},
	}
}

// stepEnviron is the container's environment without the hooks' text: a step may run
// as another user, and the headers of the others are not for it.
func stepEnviron(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		return strings.HasPrefix(entry, config.EnvText+"=")
	})
}

// finderMain is the main process as hooks see it, nil where none is configured.
func (p *parts) finderMain() hooks.MainProcess {
	if p.finder == nil {
		return nil
	}
	return p.finder
}

// configurationOf is the configuration in force for a call of one hook: what is
// wrong with the scripts of another one must not cost it.
func (p *parts) configurationOf(c *call, hook string) (*agent.Configuration, error) {
	source := agent.SourceOf(p.settings, c.env)
	source.Hook = hook
	return agent.LoadForExec(source, p.store, p.logger)
}

// adopt lets a step's orphans come to us, also where we are not PID 1.
func (p *parts) adopt(reaper *process.Reaper) {
	if err := reaper.Subreaper(); err != nil {
		p.logger.Warn("not a subreaper: a step's orphans outlive its timeout", "error", err.Error())
	}
}
