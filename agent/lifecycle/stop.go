package lifecycle

import (
	"errors"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/agent/show"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// impatience is the number of stop signals that ends the wait for hooks.
const impatience = 3

type stoppedError struct{ signal syscall.Signal }

func (e *stoppedError) Error() string { return "stopped by " + unix.SignalName(e.signal) }

// Signal decides about a signal that has arrived. It returns true if the main process
// must not get it now. It never waits for a hook.
func (c *Container) Signal(sig syscall.Signal) (held bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	forMain, isStop := c.options.StopSignals[sig]
	if isStop {
		c.stopSignals++
	}
	impatient := isStop && c.stopSignals >= impatience || !isStop && sig == syscall.SIGQUIT
	if isStop {
		c.options.Logger.Info(show.StopSignal, "signal", unix.SignalName(sig), "count", c.stopSignals, "effect", c.effect(forMain, impatient))
	}
	switch {
	case isStop && c.stopSignal == 0:
		c.stop(sig)
	case c.phase == draining && impatient:
		c.hooks.callOff(config.Shutdown, &stoppedError{sig})
		c.enter(terminating)
		return isStop && c.forward(sig, forMain)
	case c.phase == terminating && isStop:
		return c.forward(sig, forMain)
	case (c.phase == abandoned || c.phase == ended) && impatient:
		c.endNow(&stoppedError{sig})
		return true // there is no main process to get it
	}
	return isStop
}

// effect says what a stop signal does in this phase. The caller holds the lock.
func (c *Container) effect(forMain syscall.Signal, impatient bool) string {
	gets := "the main process gets " + unix.SignalName(forMain)
	switch {
	case c.phase == starting:
		return "prestart is ended, the main process is not started"
	case c.phase == running:
		return "after shutdown " + gets
	case c.phase == draining && impatient:
		return "shutdown is ended, " + gets
	case c.phase == draining:
		return "shutdown goes on"
	case c.phase == terminating:
		return gets
	case impatient:
		return "nothing is waited for any longer"
	}
	return "the main process has ended, its container follows"
}

// forward sends the main process its signal for a stop signal. If that is the same
// signal, the supervisor forwards it together with its siginfo.
func (c *Container) forward(sig, forMain syscall.Signal) (held bool) {
	if forMain == sig {
		return false
	}
	c.deliver(forMain)
	return true
}

// stop does what the first stop signal asks for. The caller holds the lock.
func (c *Container) stop(sig syscall.Signal) {
	at := time.Now()
	c.stopSignal, c.stopBegan = sig, at
	c.endServing()
	if c.graceBegan.IsZero() {
		c.graceBegan = at
	}
	switch c.phase {
	case starting:
		c.abandon(&stoppedError{sig})
	case running:
		c.hooks.callOff(config.Prestart, &stoppedError{sig}) // one that runs in the background
		c.enter(draining)
	default:
		c.arm()
	}
	go c.drain(at)
}

// drain runs shutdown, or joins or finds the run of a preStop, and then terminates the
// main process if it runs.
func (c *Container) drain(at time.Time) {
	defer close(c.drained)
	p := preStopAt(at, c.hooks.shutdown(), true)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reckon(p, at)
	switch {
	case c.phase != draining:
		return
	case p.overdue:
		c.options.Logger.Warn("main process terminated while shutdown goes on: the stop signal says that the grace period of its preStop is used up")
	case p.failed:
		c.options.Logger.Warn("shutdown not run again: it has failed as the preStop of this stop")
	default:
		c.mu.Unlock()
		_, err := c.hooks.call(c.rest, config.Shutdown, hooks.Request{Trigger: state.TriggerSignal})
		c.mu.Lock()
		var stopped *stoppedError
		if err != nil && !errors.As(err, &stopped) {
			c.options.Logger.Error("shutdown not run", "error", err.Error())
		}
	}
	if c.phase == draining {
		c.terminate()
	}
}

// terminate sends the main process its stop signal. The caller holds the lock.
func (c *Container) terminate() {
	c.enter(terminating)
	c.deliver(c.options.StopSignals[c.stopSignal])
}

// deliver sends the main process a signal, and logs it if that fails. The caller holds
// the lock.
func (c *Container) deliver(sig syscall.Signal) (delivered bool) {
	err := c.super.Deliver(sig)
	if err != nil {
		c.options.Logger.Error("signal lost, the main process did not get it", "signal", unix.SignalName(sig), "error", err.Error())
		return false
	}
	c.options.Logger.Info("signal sent to the main process", "signal", unix.SignalName(sig))
	return true
}
