package main

import (
	"context"
	"errors"
	"slices"

	"github.com/podhook/podhook/agent"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/process"
)

// assemble puts together what lives as long as the container: the runner, by the
// configuration in force, and the agent that shows them. Its runs end with life.
func (p *parts) assemble(life context.Context, c *call, configuration *agent.Configuration, reaper *process.Reaper, main hooks.MainProcess) (*agent.Agent, error) {
	cfg, err := configuration.Get()
	if err != nil {
		return nil, err
	}
	if main == nil && !p.settings.Disabled {
		if err := p.needsMain(cfg.NeedMain()); err != nil {
			return nil, err
		}
	}
	for _, w := range p.warnings(cfg) {
		p.logger.Warn("configuration", "problem", w.Error())
	}
	o := p.options(c)
	o.Config, o.Reaper, o.Main = configuration.Get, reaper, main
	runner := hooks.New(life, o)
	runner.Prepare(cfg)
	return &agent.Agent{
		Settings: p.settings, Configuration: configuration, Store: p.store, Runner: runner,
		Finder: p.finder, Logger: p.logger, Log: p.log, Version: version,
	}, nil
}

// needsMain refuses steps that need a main process which nobody has named.
func (p *parts) needsMain(steps []config.Problem) error {
	if p.finder != nil || len(steps) == 0 {
		return nil
	}
	var all []error
	for _, problem := range steps {
		all = append(all, problem)
	}
	return usagef("%v", errors.Join(all...))
}

// warnings are all that a person should know and that does not stop a start.
func (p *parts) warnings(cfg *config.Config) []config.Problem {
	look := config.Preflight{AllowExposed: p.settings.AllowWorldWritable}
	look.Look(cfg)
	all := slices.Concat(cfg.Warnings, look.Failed, p.badTargets(cfg))
	return append(append(all, look.Warnings...), cfg.Check(p.settings.GracePeriod, p.settings.GraceMargin)...)
}
