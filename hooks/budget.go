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

// endReserve is what poststop leaves of the grace period for podhook's own end.
const endReserve = 500 * time.Millisecond

// deadline is when a run of the hook that starts now must have ended. A shutdown,
// and a poststop within the grace period, is cut to what is left of it, killing
// included: what outlives it is killed by kubelet with the container and leaves
// no record. The 2 s that kubelet adds are not planned with (kubelet.md, budgets).
func (r *Runner) deadline(hook *config.Hook, start time.Time) time.Time {
	r.mu.Lock()
	begin, reserve := r.grace, r.Grace.Margin
	r.mu.Unlock()
	deadline := start.Add(hook.Timeout)
	switch {
	case r.Grace.Period == 0:
		return deadline
	case hook.Name == config.Shutdown && begin.IsZero():
		begin = start
	case hook.Name == config.Shutdown:
	case hook.Name == config.Poststop && !begin.IsZero():
		reserve = endReserve
	default:
		return deadline
	}
	if end := begin.Add(r.Grace.Period - reserve - hook.LongestKill()); end.Before(deadline) {
		return end
	}
	return deadline
}
