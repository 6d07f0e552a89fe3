package main

import (
	"context"
	"time"

	"github.com/podhook/podhook/agent"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/config"
)

// markAgent tells exec'd hooks that this process sends the figures.
func (c *container) markAgent() {
	if c.store == nil || !c.settings.SendsFigures() {
		return
	}
	if err := c.store.MarkAgent(); err != nil {
		c.logger.Warn("exec'd hooks will send the figures too", "error", err.Error())
	}
}

// sendFigures sends the figures after a shutdown or poststop that this process has run, where
// no agent lives that does so at its end. The function that it returns waits for that: a
// shutdown leaves the main process half of what is left of the grace period since began.
func (h *hookCall) sendFigures(began time.Time, result hooks.Result) (wait func()) {
	c := h.container
	last := h.name == config.Shutdown || h.name == config.Poststop
	if !last || h.configuration == nil || c.store == nil || !c.settings.SendsFigures() || result.Record.RunID == "" || result.Joined || result.Already {
		return func() {}
	}
	if alive, err := c.store.HasAgent(); alive || err != nil {
		return func() {} // an error means that the state is another user's
	}
	a := &agent.Agent{
		Settings: c.settings, Configuration: h.configuration, Store: c.store, Finder: c.finder,
		Events: c.events, Logger: c.logger, Log: c.log, Version: version,
	}
	ctx, sent := context.WithCancel(context.Background())
	go func() {
		defer sent()
		a.SendFigures()
	}()
	return func() {
		ctx, cancel := h.beforeMain(ctx, began)
		defer cancel()
		<-ctx.Done()
	}
}

// beforeMain bounds what a hook does after its run. A shutdown leaves the main process half
// of what is left of the grace period.
func (h *hookCall) beforeMain(ctx context.Context, began time.Time) (context.Context, context.CancelFunc) {
	if h.name != config.Shutdown {
		return context.WithCancel(ctx)
	}
	left := time.Until(began.Add(h.container.settings.GracePeriod))
	return context.WithTimeout(ctx, left/2)
}
