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

// deadline is when a run of the hook that starts now must have ended. A shutdown
// is cut to what is left of the grace period, killing included: what outlives
// it is killed by kubelet with the container and leaves no record. The 2 s that
// kubelet adds are not planned with (kubelet.md, budgets).
func (r *Runner) deadline(hook *config.Hook, start time.Time) time.Time {
	deadline := start.Add(hook.Timeout)
	if hook.Name != config.Shutdown || r.Grace.Period == 0 {
		return deadline
	}
	begin := start
	r.mu.Lock()
	if !r.grace.IsZero() {
		begin = r.grace
	}
	r.mu.Unlock()
	end := begin.Add(r.Grace.Period - r.Grace.Margin - hook.LongestKill())
	if end.Before(deadline) {
		return end
	}
	return deadline
}
