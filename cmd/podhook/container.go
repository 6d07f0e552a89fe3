package main

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/podhook/podhook/agent"
	"github.com/podhook/podhook/agent/events"
	"github.com/podhook/podhook/agent/mainprocess"
	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/agent/show"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/process"
	"github.com/podhook/podhook/hooks/state"
)

// container holds what a command needs of the container it runs in.
type container struct {
	settings *settings.Settings
	store    *state.Store // nil where the state cannot be opened; storeErr says why
	storeErr error
	finder   *mainprocess.Finder // nil where no main process is configured
	events   *events.Sender      // nil where none are asked for
	log      *show.NonBlocking
	logger   *slog.Logger
}

// openContainer reads the settings, opens the state and finds the main process. A
// state that cannot be opened is not an error here: shutdown runs without one.
func openContainer(inv *invocation, log *show.NonBlocking, u use) (*container, error) {
	c, err := openSettings(inv, log)
	if err != nil {
		return nil, err
	}
	c.openStore(u)
	return c, c.findMain()
}

// openState is openContainer for the commands that only show the state. They need
// one, and root can read that of another user.
func openState(inv *invocation, log *show.NonBlocking) (*container, error) {
	c, err := openSettings(inv, log)
	if err != nil {
		return nil, err
	}
	if c.openStore(toShow); c.storeErr != nil {
		return nil, c.storeErr
	}
	return c, c.findMain()
}

// openSettings reads the settings alone. With an error of the settings it returns what
// could be read.
func openSettings(inv *invocation, log *show.NonBlocking) (*container, error) {
	inv.log = log
	if err := inv.applySettings(); err != nil {
		return nil, err
	}
	s, err := settings.Load(inv.env)
	inv.json = s.LogFormat == settings.JSON
	c := &container{settings: s, log: log, logger: show.NewLogger(log, s.LogFormat)}
	c.events = c.newEvents()
	return c, err
}

// use says what a command does with the state.
type use int

const (
	toWrite use = iota
	toRead      // changes nothing, and trusts only its own user's files
	toTry       // leaves nothing behind
	toShow      // shows people also what is another user's
)

// openStore opens the state. To read it, it tries whether hooks could write it, and leaves
// it as it was.
func (c *container) openStore(u use) {
	if u == toRead {
		if c.openAs(toTry); c.storeErr != nil {
			return
		}
		c.store.Unmake()
	}
	c.openAs(u)
}

func (c *container) openAs(u use) {
	c.store, c.storeErr = state.Open(state.Options{
		Dir: string(c.settings.StateDir), OutputLimit: int(c.settings.OutputLimit), ReadOnly: u == toRead, Trial: u == toTry, Show: u == toShow,
	})
}

// findMain sets the main process: the one of PODHOOK_MAIN, or the one that podhook
// run has started in this instance.
func (c *container) findMain() error {
	if c.settings.Main != "" {
		target, err := mainprocess.Parse(c.settings.Main)
		if err != nil {
			return usagef("PODHOOK_MAIN: %v", err)
		}
		c.finder = mainprocess.NewFinder(target, c.memory())
		if c.store != nil {
			c.store.LookAfter(c.main().Identity)
		}
		return nil
	}
	if c.store == nil {
		return nil
	}
	main, ok, err := c.store.Main()
	if err != nil {
		c.logger.Warn("main process not known", "error", err.Error())
	}
	if ok {
		c.finder = mainprocess.NewFinder(mainprocess.Started(main), nil)
	}
	return nil
}

// main returns the main process as hooks see it, or nil.
func (c *container) main() hooks.MainProcess {
	if c.finder == nil {
		return nil
	}
	return c.finder
}

// memory returns where a Finder remembers the processes that it has seen, or nil.
func (c *container) memory() mainprocess.Memory {
	if c.store == nil {
		return nil
	}
	return c.store
}

// configuration returns the configuration in force for a call of one hook. A broken
// script of another hook does not make the call fail.
func (c *container) configuration(inv *invocation, hook string) (*agent.Configuration, error) {
	source := agent.SourceOf(c.settings, inv.env)
	source.Hook = hook
	return agent.LoadForExec(source, c.store, c.logger)
}

// knowsHook returns an error if the configuration has no hook of this name. Without
// podhook, which is disabled, every name will do.
func (c *container) knowsHook(inv *invocation, name string) error {
	if c.settings.Disabled {
		return nil
	}
	configuration, err := c.configuration(inv, name)
	if err != nil {
		return err
	}
	cfg, err := configuration.Get()
	if err == nil {
		_, err = hooks.Find(cfg, name)
	}
	return err
}

// hookNames returns the hooks of the configuration, or nothing if it cannot be read.
func (inv *invocation) hookNames() []string {
	c, err := openSettings(inv, show.ContainerLog())
	if err != nil {
		return nil
	}
	cfg, err := config.Load(agent.SourceOf(c.settings, inv.env))
	if err != nil {
		return nil
	}
	return slices.Sorted(maps.Keys(cfg.Hooks))
}

// options returns the options of a Runner, without its Config and Reaper.
func (c *container) options(inv *invocation) hooks.Options {
	return hooks.Options{
		Store:    c.store,
		StoreErr: c.storeErr,
		Environ:  stepEnviron(inv.env),
		Target:   mainprocess.Targets(c.memory()),
		Main:     c.main(),
		OneMain:  c.settings.Main == "",
		Grace:    hooks.Grace{Period: c.settings.GracePeriod, Margin: c.settings.GraceMargin},
		Disabled: c.settings.Disabled,

		StopReason: c.stopReason(),
		Observer:   c.observers(),
	}
}

func (c *container) observers() show.All {
	all := show.All{show.Log{Logger: c.logger}, show.NewTermination(c.settings.TerminationLog, c.logger)}
	if c.events != nil {
		all = append(all, c.events)
	}
	return all
}

// stepEnviron returns the environment of steps: that of the container without the
// text of the hooks and the token. A step can run as another user, who must not read the
// headers of the other steps, or run hooks.
func stepEnviron(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		return strings.HasPrefix(entry, config.EnvText+"=") || strings.HasPrefix(entry, settings.Name("Token")+"=")
	})
}

// newAgent makes the runner and the agent that shows its runs. The runs end with ctx.
func (c *container) newAgent(ctx context.Context, inv *invocation, configuration *agent.Configuration, reaper *process.Reaper, main hooks.MainProcess) (*agent.Agent, error) {
	cfg, err := configuration.Get()
	if err != nil {
		return nil, err
	}
	if main == nil && !c.settings.Disabled {
		if err := c.needsMain(cfg.NeedMain()); err != nil {
			return nil, err
		}
	}
	rights, err := agent.NewAccess(c.settings, c.logger)
	if err != nil {
		return nil, usagef("%v", err)
	}
	for _, w := range c.warnings(cfg) {
		c.logger.Warn("configuration", "problem", w.Error())
	}
	c.warnOfPodAPI()
	c.adoptOrphans(reaper)
	o := c.options(inv)
	o.Config, o.Reaper, o.Main = configuration.Get, reaper, main
	a := &agent.Agent{
		Settings: c.settings, Access: rights, Configuration: configuration, Store: c.store,
		Finder: c.finder, Events: c.events, Logger: c.logger, Log: c.log, Version: version,
	}
	o.Observer = show.All{o.Observer, afterShutdown(func() { go a.SendFigures() })}
	a.Runner = hooks.New(ctx, o)
	c.markAgent()
	a.Runner.Prepare(cfg)
	return a, nil
}

// adoptOrphans makes this process the parent of the orphans of steps, so that a
// timeout ends them too. PID 1 is that already.
func (c *container) adoptOrphans(reaper *process.Reaper) {
	if err := reaper.Subreaper(); err != nil {
		c.logger.Warn("not a subreaper: a step's orphans outlive its timeout", "error", err.Error())
	}
}

// needsMain refuses the given steps, which need a main process, where none is
// configured.
func (c *container) needsMain(steps []config.Problem) error {
	if c.finder != nil || len(steps) == 0 {
		return nil
	}
	return problems(steps)
}

// warnings returns what a person should know and what does not stop a start.
func (c *container) warnings(cfg *config.Config) []config.Problem {
	look := config.Preflight{AllowExposed: c.settings.AllowWorldWritable}
	look.Look(cfg)
	return slices.Concat(cfg.Warnings, cfg.Hopeless(), look.Failed, c.badTargets(cfg), c.atOwnPorts(cfg), c.forgetful(cfg), look.Warnings, c.hiddenEvents(),
		cfg.Check(c.settings.GracePeriod, c.settings.GraceMargin))
}

// problems is the usage error of several problems.
func problems(list []config.Problem) error {
	all := make([]error, len(list))
	for i, problem := range list {
		all[i] = problem
	}
	return usagef("%v", errors.Join(all...))
}
