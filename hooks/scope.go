package hooks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// scope is what a step's failure counts for: the hook, or the group that it is
// in. The run's lock guards it.
type scope struct {
	// failed is the outcome of the first failure that counts; "" for none.
	failed state.Outcome
	reason string
	// halted: what has not begun is skipped.
	halted bool
	// halt stops what has begun; nil for a hook, whose steps come one by one.
	halt func(cause error)
}

// keep keeps the first failure: what comes after it is often its consequence.
func (s *scope) keep(outcome state.Outcome, reason string) {
	if s.failed == "" {
		s.failed, s.reason = outcome, reason
	}
}

// judge decides what a step's outcome means. The end of the scope's own time
// halts it whatever the step's policy says.
func (s *scope) judge(ctx context.Context, policy config.Policy, outcome state.Outcome, reason string) {
	if outcome == state.Succeeded || outcome == state.Skipped {
		return
	}
	var sibling *siblingError
	over := ctx.Err() != nil && !errors.As(context.Cause(ctx), &sibling)
	if policy == config.Ignore && !over {
		return
	}
	s.keep(outcome, reason)
	if over {
		s.failed = stopOutcome(ctx)
	}
	if !over && policy != config.Fail {
		return
	}
	s.halted = true
	if s.halt != nil {
		s.halt(&siblingError{reason})
	}
}

// siblingError stops the steps of a group when one of them has failed.
type siblingError struct{ reason string }

func (e *siblingError) Error() string { return "another step of the group failed: " + e.reason }

// stopOutcome is the outcome of what the end of ctx has stopped.
func stopOutcome(ctx context.Context) state.Outcome {
	if ctx.Err() == context.DeadlineExceeded {
		return state.TimedOut
	}
	return state.Interrupted
}

// stopReason says whose time it was that ended, or what has interrupted.
func stopReason(ctx context.Context) string {
	if stopOutcome(ctx) == state.Interrupted {
		return "interrupted: " + context.Cause(ctx).Error()
	}
	return context.Cause(ctx).Error()
}

// timeUp is the cause of a context whose deadline has passed.
type timeUp struct{ msg string }

func (e *timeUp) Error() string { return "timed out" + e.msg }

// withTimeout gives a step, or a group, its own time; 0 leaves it what there is.
func withTimeout(ctx context.Context, step *config.Step) (context.Context, context.CancelFunc) {
	if step.Timeout == 0 {
		return ctx, func() {}
	}
	msg := fmt.Sprintf(" after its timeout of %v", step.Timeout)
	if step.Members() != nil {
		msg = fmt.Sprintf(" after the timeout of %v of the group %s", step.Timeout, step.Name)
	}
	return context.WithTimeoutCause(ctx, step.Timeout, &timeUp{msg})
}

// timeFor gives a step of the hook, the n-th, the time until the run's deadline, less
// what is kept for later steps that are always run. Such a step itself is not
// stopped by what stops the run: it has the rest of the time, and its own.
func (x *run) timeFor(life context.Context, n int) (context.Context, context.CancelFunc) {
	if x.hook.Steps[n].Always {
		return context.WithDeadlineCause(context.WithoutCancel(life), x.budget.deadline, x.timeUp(0))
	}
	reserve := min(x.hook.Reserve(n+1), x.budget.deadline.Sub(x.rec.Start)/2)
	return context.WithDeadlineCause(life, x.budget.deadline.Add(-reserve), x.timeUp(reserve))
}

func (x *run) timeUp(reserve time.Duration) error {
	msg := fmt.Sprintf(" after the timeout of %v of hook %s", x.hook.Timeout, x.hook.Name)
	if x.budget.cut {
		msg = fmt.Sprintf(": the grace period of %v leaves hook %s no more time", x.runner.Options.Grace.Period, x.hook.Name)
	}
	if reserve > 0 {
		msg += fmt.Sprintf(", %v of which is kept for steps that are always run", reserve.Round(time.Millisecond))
	}
	return &timeUp{msg}
}
