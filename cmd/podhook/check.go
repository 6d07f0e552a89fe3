package main

import (
	"context"
	"flag"
	"fmt"

	"github.com/podhook/podhook/agent"
	"github.com/podhook/podhook/agent/show"
	"github.com/podhook/podhook/hooks/config"
)

// check reads the settings and the hooks and runs nothing.
func check(_ context.Context, c *call) int {
	if err := noWords(flag.NewFlagSet("check", flag.ContinueOnError), c.args); err != nil {
		return c.fail(err)
	}
	p, err := open(c, show.PID1Log())
	if err != nil {
		return c.fail(err)
	}
	cfg, err := config.Load(agent.SourceOf(p.settings, c.env))
	if err != nil {
		return c.fail(err)
	}
	if err := p.needsMain(cfg); err != nil {
		return c.fail(err)
	}
	if p.storeErr != nil {
		return c.fail(p.storeErr)
	}
	for _, w := range p.warnings(cfg) {
		fmt.Fprintln(c.stderr, "warning: "+w.Error())
	}
	steps := 0
	for _, hook := range cfg.Hooks {
		steps += len(hook.Steps)
	}
	fmt.Fprintf(c.stdout, "podhook: %s is good: %d hooks, %d steps; state in %s\n", cfg.Source, len(cfg.Hooks), steps, p.store.Dir())
	return exitOK
}
