package hooks

import (
	"time"

	"github.com/podhook/podhook/hooks/config"
)

// Grace is the time between the stop signal and SIGKILL.
type Grace struct {
	// Period is the pod's terminationGracePeriodSeconds.
	Period time.Duration
	// Margin is the part of Period that shutdown leaves for the main process to stop.
	Margin time.Duration
}

// BeginGrace says that the grace period began at that time. Only the first call
// counts: a second stop signal does not give more time.
func (r *Runner) BeginGrace(at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.grace.IsZero() {
		r.grace = at
	}
}

// podEnds reports whether the whole pod is known to end.
func (r *Runner) podEnds() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.Options.OwnContainer && !r.grace.IsZero()
}

const (
	// endReserve is the part of the grace period that poststop leaves for podhook to
	// exit.
	endReserve = 250 * time.Millisecond
	// quickKill is the longest KillAfter of a poststop in the grace period, most of
	// which has passed by then.
	quickKill = 250 * time.Millisecond
)

// budget is the time of one run.
type budget struct {
	deadline time.Time
	// killAfter is the longest KillAfter of a step.
	killAfter time.Duration
	// cut is true if the grace period leaves less than the hook's timeout.
	cut bool
}

// budgetOf returns the budget of a run of the hook that begins at start. A shutdown,
// and a poststop in the grace period, must end and be killed within that period:
// kubelet kills what outlives it with the container, and no record is left. The 2 s
// that kubelet may add are not used (deploy/kubernetes/kubelet.md).
func (r *Runner) budgetOf(hook *config.Hook, start time.Time) budget {
	r.mu.Lock()
	begin, reserve := r.grace, r.Options.Grace.Margin
	r.mu.Unlock()
	b := budget{deadline: start.Add(hook.Timeout), killAfter: hook.LongestKill()}
	switch {
	case r.Options.Grace.Period == 0:
		return b
	case hook.Name == config.Shutdown && begin.IsZero():
		begin = start
	case hook.Name == config.Shutdown:
	case hook.Name == config.Poststop && !begin.IsZero():
		reserve, b.killAfter = endReserve, min(b.killAfter, quickKill)
	default:
		return b
	}
	end := begin.Add(r.Options.Grace.Period - reserve)
	if end.Add(-b.killAfter).Before(b.deadline) {
		// The kill gets at most half of what is left, so that some work is done.
		b.killAfter = min(b.killAfter, max(end.Sub(start), 0)/2)
		b.deadline, b.cut = end.Add(-b.killAfter), true
	}
	return b
}
