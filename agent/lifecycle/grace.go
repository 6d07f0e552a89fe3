package lifecycle

import (
	"errors"
	"syscall"
	"time"

	"github.com/podhook/podhook/hooks/config"
)

const (
	// killReserve is how long before the end of the grace period the main process is
	// killed, so that poststop and the messages still happen. It is at most a quarter of
	// the grace period.
	killReserve = 2 * time.Second
	// leastStop is the least time between the stop signal of the main process and its
	// SIGKILL.
	leastStop = time.Second
	// kubeletLeaves is the time that kubelet adds after a preStop that has used up the
	// grace period (deploy/kubernetes/kubelet.md, grace arithmetic).
	kubeletLeaves = 2 * time.Second
	// endReserve is what remains of the grace period for the end of podhook.
	endReserve = 200 * time.Millisecond
	// quickEnd is how long hooks that are called off have to end. A poststop that began
	// within the grace period has used up its budget by then.
	quickEnd = 250 * time.Millisecond
)

var errGraceEnds = errors.New("the grace period ends")

// reckon sets the begin of the grace period to that of a preStop, because kubelet counts
// its time too. The caller holds the lock.
func (c *Container) reckon(p preStop, at time.Time) {
	if p.counts && (c.stopBegan.IsZero() || p.began.Before(c.stopBegan)) {
		c.stopBegan = p.began
	}
	least := at.Add(kubeletLeaves - c.options.Grace.Period) // a preStop can have used up more
	switch {
	case p.overdue:
		// Either the grace period of kubelet is used up, and PODHOOK_GRACE_PERIOD is wrong,
		// or kubelet has not made the call, and the grace period has just begun. So the
		// main process is not killed before the end of PODHOOK_GRACE_PERIOD.
		c.kubeletKills = at.Add(kubeletLeaves)
		c.endPatience()
	case p.counts && (c.graceBegan.IsZero() || p.began.Before(c.graceBegan)):
		c.graceBegan = later(p.began, least)
	}
	if !p.overdue && !c.graceBegan.IsZero() {
		c.hooks.beginGrace(c.graceBegan)
	}
	c.arm()
}

// hurried reports whether kubelet is about to kill the container, because its preStop has
// used up the grace period. A container that outlives that moment has judged wrongly. The
// caller holds the lock.
func (c *Container) hurried() bool { return time.Now().Before(c.kubeletKills) }

// graceEnds returns when everything must have ended. The caller holds the lock.
func (c *Container) graceEnds() time.Time {
	if c.hurried() {
		return c.kubeletKills
	}
	return c.graceBegan.Add(c.options.Grace.Period)
}

func (c *Container) killReserve() time.Duration { return min(killReserve, c.options.Grace.Period/4) }

// arm sets the timer of timeIsUp to the moment when the grace period ends the phase. It
// does nothing before the grace period. The caller holds the lock.
func (c *Container) arm() {
	if c.graceBegan.IsZero() {
		return
	}
	kill := c.graceBegan.Add(c.options.Grace.Period - c.killReserve())
	var due time.Time
	switch c.phase {
	case draining:
		due = kill
	case terminating:
		due = later(kill, time.Now().Add(leastStop))
	case abandoned, ended:
		due = c.graceEnds().Add(-endReserve - quickEnd)
	}
	c.armed++
	armed := c.armed
	time.AfterFunc(time.Until(due), func() { c.timeIsUp(armed) })
}

// timeIsUp terminates a main process that still waits for shutdown, kills one that was
// terminated, and calls off the hooks after its end.
func (c *Container) timeIsUp(armed int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if armed != c.armed {
		return // arm has set a newer timer
	}
	switch c.phase {
	case draining:
		c.hooks.callOff(config.Shutdown, errGraceEnds)
		c.terminate()
	case terminating:
		if c.deliver(syscall.SIGKILL) {
			c.options.Logger.Error("main process killed, it has outlived the grace period", "grace", c.options.Grace.Period.String())
			c.options.Killed(c.options.Grace.Period)
		}
	case abandoned, ended:
		c.endNow(errGraceEnds)
	}
}

// endNow calls off all hooks, and soon stops waiting for them. The caller holds the lock.
func (c *Container) endNow(cause error) {
	for _, hook := range config.Builtin() {
		c.hooks.callOff(hook, cause)
	}
	c.endPatience()
	time.AfterFunc(quickEnd, c.endRest)
}
