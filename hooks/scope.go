package hooks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// scope is what a failed step makes fail: its hook or its group. The lock of the run
// guards it.
type scope struct {
	// failed is the outcome of the first failure that counts, or "".
	failed state.Outcome
	reason string
	// halted says that the steps that have not begun are skipped.
	halted bool
	// halt stops the steps that have begun. It is nil for a hook, whose steps run one
	// after the other.
	halt func(cause error)
}

// keep keeps the first failure: later ones are often its consequence.
func (s *scope) keep(outcome state.Outcome, reason string) {
	if s.failed == "" {
		s.failed, s.reason = outcome, reason
	}
}

// judge decides what the outcome of a step means for the scope. The end of the scope's
// own time halts it, whatever the policy of the step is.
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

// siblingError is the cause that stops the steps of a group after one has failed.
type siblingError struct{ reason string }

func (e *siblingError) Error() string { return "another step of the group failed: " + e.reason }

// stopOutcome returns the outcome of a step that the end of ctx has stopped.
func stopOutcome(ctx context.Context) state.Outcome {
	if ctx.Err() == context.DeadlineExceeded {
		return state.TimedOut
	}
	return state.Interrupted
}

// stopReason says which timeout has ended ctx, or what has interrupted it.
func stopReason(ctx context.Context) string {
	if stopOutcome(ctx) == state.Interrupted {
		return "interrupted: " + context.Cause(ctx).Error()
	}
	return context.Cause(ctx).Error()
}

// timeUp is the cause of a context after its deadline.
type timeUp struct{ msg string }

func (e *timeUp) Error() string { return "timed out" + e.msg }

// withTimeout applies the timeout of a step or a group, if it has one.
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

// timeFor returns the context of the hook's n-th step. It ends at the run's deadline,
// less the reserve for later steps with always: true. A step with always: true does not
// end with life: it has the time until the deadline and its own timeout.
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
		msg += fmt.Sprintf(", %v of which is reserved for steps that always run", reserve.Round(time.Millisecond))
	}
	return &timeUp{msg}
}
