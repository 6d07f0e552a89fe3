package lifecycle

import (
	"errors"
	"syscall"
	"time"

	"github.com/podhook/podhook/hooks/config"
)

const (
	// killReserve is how long before kubelet a main process that outlives the
	// grace period is killed, so that poststop and the messages still happen, but
	// at most a quarter of the grace period.
	killReserve = 2 * time.Second
	// leastStop is what the main process gets in any case between its stop signal
	// and that.
	leastStop = time.Second
	// kubeletLeaves is what kubelet gives after a preStop that has used up the grace
	// period (deploy/kubernetes/kubelet.md, grace arithmetic).
	kubeletLeaves = 2 * time.Second
	// endReserve is what is left of the grace period for podhook's own end.
	endReserve = 200 * time.Millisecond
	// quickEnd is what the hooks then have to end in; a poststop that began within
	// the grace period has used up its budget by then.
	quickEnd = 250 * time.Millisecond
)

var errGraceEnds = errors.New("the grace period ends")

// reckon lets the grace period begin with a preStop, whose time kubelet counts too.
// The caller holds the lock.
func (c *Container) reckon(p preStop, at time.Time) {
	least := at.Add(kubeletLeaves - c.options.Grace.Period) // kubelet's, after a preStop that has used up more
	switch {
	case p.overdue:
		// How long kubelet's grace period is can only be known now: it is over, and
		// PODHOOK_GRACE_PERIOD is not it. Or the run is not kubelet's, and the grace
		// period has just begun; so the main process is not killed by us before.
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

// hurried says whether kubelet is about to kill the container: the run of the
// preStop has used up the grace period. A container that lives on was wrong about
// that. The caller holds the lock.
func (c *Container) hurried() bool { return time.Now().Before(c.kubeletKills) }

// graceEnds is when everything must have ended. The caller holds the lock.
func (c *Container) graceEnds() time.Time {
	if c.hurried() {
		return c.kubeletKills
	}
	return c.graceBegan.Add(c.options.Grace.Period)
}

// arm lets timeIsUp be called when the phase must end because the grace period does.
// Where there is none yet no phase must. The caller holds the lock.
func (c *Container) arm() {
	if c.graceBegan.IsZero() {
		return
	}
	kill := c.graceBegan.Add(c.options.Grace.Period - min(killReserve, c.options.Grace.Period/4))
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

// timeIsUp terminates a main process that still waits for shutdown, kills one that
// was terminated, and ends what follows it.
func (c *Container) timeIsUp(armed int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if armed != c.armed {
		return // it has been armed anew
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

// endNow ends everything but podhook's own end. The caller holds the lock.
func (c *Container) endNow(cause error) {
	for _, hook := range config.Builtin() {
		c.hooks.callOff(hook, cause)
	}
	c.endPatience()
	time.AfterFunc(quickEnd, c.endRest)
}
