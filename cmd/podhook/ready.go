package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"time"

	"github.com/podhook/podhook/agent"
	"github.com/podhook/podhook/agent/show"
	"github.com/podhook/podhook/hooks"
)

// askTime bounds the question to the agent, which answers within 0.8 s.
const askTime = 900 * time.Millisecond

// defineReady is /readyz for exec probes and health checks.
func defineReady(inv *invocation, fs *flag.FlagSet) action {
	inv.settingFlags(fs, "config", "listen")
	return func(ctx context.Context, _ []string) int {
		line, ready := inv.ready(ctx)
		fmt.Fprintln(inv.stdout, oneLine(line))
		if !ready {
			return exitFailed // also for a bad configuration: Docker reserves 2
		}
		return exitOK
	}
}

// ready returns the line to print. It asks the agent where one listens, so that all
// probes share its looks, and decides by the state on disk otherwise.
func (inv *invocation) ready(ctx context.Context) (line string, ready bool) {
	c, err := openSettings(inv, show.ContainerLog())
	switch {
	case err != nil:
		return agent.ReadyLine(err.Error()), false
	case c.settings.Disabled:
		return agent.ReadyLine(""), true
	}
	c.openAs(toRead)
	if err := cmp.Or(c.storeErr, c.findMain()); err != nil {
		return agent.ReadyLine(err.Error()), false
	}
	if own, set := agent.OwnAgent(c.settings, c.store.Instance().ID); set {
		ctx, cancel := context.WithTimeout(ctx, askTime)
		defer cancel()
		if line, ready, answered := own.Ready(ctx); answered {
			return line, ready
		}
	}
	configuration, err := agent.LoadForExec(agent.SourceOf(c.settings, inv.env), c.store, c.logger)
	if err != nil {
		return agent.ReadyLine(err.Error()), false
	}
	o := c.options(inv)
	o.Config = configuration.Get
	a := &agent.Agent{Settings: c.settings, Configuration: configuration, Store: c.store, Runner: hooks.New(ctx, o)}
	why := a.NotReady(ctx)
	return agent.ReadyLine(why), why == ""
}
