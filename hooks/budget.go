package hooks

import (
	"time"

	"github.com/podhook/podhook/hooks/config"
)

// Grace is the time between being told to stop and being killed.
type Grace struct {
	// Period is the pod's terminationGracePeriodSeconds.
	Period time.Duration
	// Margin is what hooks leave of it for the main process to stop in.
	Margin time.Duration
}

// BeginGrace starts the grace period of an agent that was told to stop. Only the
// first call counts: a second stop signal does not give more time.
func (r *Runner) BeginGrace(at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.grace.IsZero() {
		r.grace = at
	}
}

// podEnds says whether it is known that the whole pod ends.
func (r *Runner) podEnds() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.Options.OwnContainer && !r.grace.IsZero()
}

const (
	// endReserve is what poststop leaves of the grace period for podhook's own end.
	endReserve = 250 * time.Millisecond
	// quickKill is the longest KillAfter of a poststop in the grace period: it
	// begins when most of that is used up.
	quickKill = 250 * time.Millisecond
)

// budget is the time of one run.
type budget struct {
	deadline time.Time
	// killAfter bounds that of each step.
	killAfter time.Duration
	// cut: the grace period leaves less than the hook's timeout.
	cut bool
}

// budgetOf is the budget of a run of the hook that starts now. A shutdown, and a
// poststop within the grace period, is cut to what is left of it, killing
// included: what outlives it is killed by kubelet with the container and leaves
// no record. The 2 s that kubelet adds are not planned with (kubelet.md, budgets).
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
		// Where little is left the killing gets half of it at most, so that some
		// work is done.
		b.killAfter = min(b.killAfter, max(end.Sub(start), 0)/2)
		b.deadline, b.cut = end.Add(-b.killAfter), true
	}
	return b
}
