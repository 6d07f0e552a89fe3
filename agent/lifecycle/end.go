package lifecycle

import (
	"context"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/process"
	"github.com/podhook/podhook/hooks/state"
)

// mainEnded waits for shutdown and for what is left, and runs poststop, within the rest of the grace period if
// that has begun.
func (c *Container) mainEnded(status syscall.WaitStatus) {
	c.options.Main.Exited()
	c.endServing()
	at := time.Now()
	c.mu.Lock()
	stopped := c.stopSignal != 0
	byItself := !stopped
	c.enter(ended)
	c.mu.Unlock()
	c.hooks.interruptAllBut(config.Shutdown)
	if stopped {
		<-c.drained
	} else {
		p := preStopAt(at, c.hooks.shutdown(), false)
		byItself = !p.counts
		c.mu.Lock()
		c.reckon(p, at)
		c.mu.Unlock()
	}
	c.tellStop(at)
	c.hooks.awaitShutdown(c.patience)
	c.awaitAll()
	c.poststop(status, byItself)
	if c.patience.Err() != nil {
		c.hooks.awaitShutdown(c.rest)
	}
	c.hooks.awaitCallers(c.rest, config.Shutdown)
}

// tellStop says how long the main process, which has ended at that time, took to stop.
func (c *Container) tellStop(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.stopBegan.IsZero() && !c.stopBegan.After(at) {
		c.options.Course.Stopped(at.Sub(c.stopBegan))
	}
}

// awaitAll leaves poststop what a main process that is killed leaves it.
func (c *Container) awaitAll() {
	if c.options.AwaitAll == nil {
		return
	}
	ctx := c.rest
	c.mu.Lock()
	if !c.graceBegan.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, c.graceEnds().Add(-c.killReserve()))
		defer cancel()
	}
	c.mu.Unlock()
	c.options.AwaitAll(ctx)
}

// poststop is told the stop reason of a main process that has ended by itself.
func (c *Container) poststop(status syscall.WaitStatus, byItself bool) {
	if !c.hooks.hasSteps(config.Poststop) {
		return
	}
	environ := []string{config.EnvMainExitCode + "=" + strconv.Itoa(process.ExitCode(status))}
	if status.Signaled() {
		environ = append(environ, config.EnvMainExitSignal+"="+unix.SignalName(status.Signal()))
	}
	c.mu.Lock()
	if c.hurried() {
		c.hooks.beginGrace(c.kubeletKills.Add(-c.options.Grace.Period)) // so that it ends at kubeletKills
	}
	c.mu.Unlock()
	// Force: an earlier run by hand did not know how the main process has ended.
	request := hooks.Request{Trigger: state.TriggerStart, Environ: environ, Force: true}
	switch {
	case byItself && process.ExitCode(status) == 0:
		request.StopReason = state.StopCompleted
	case byItself:
		request.StopReason = state.StopMainExited
	}
	if _, err := c.hooks.call(c.rest, config.Poststop, request); err != nil {
		c.options.Logger.Error("poststop not run", "error", err.Error())
	}
}
