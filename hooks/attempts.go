package hooks

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// attempts holds the retries that a step has left and the context of the current
// attempt. The scripts of a directory share both.
type attempts struct {
	step   *config.Step
	left   int
	ctx    context.Context
	cancel context.CancelFunc
}

func (b *attempts) begin(ctx context.Context) {
	b.end()
	b.ctx, b.cancel = withTimeout(ctx, b.step)
}

func (b *attempts) end() {
	if b.cancel != nil {
		b.cancel()
	}
}

// try performs a unit and retries until it succeeds or the policy says stop.
func (a *action) try(ctx context.Context, budget *attempts) {
	if budget.ctx == nil {
		budget.begin(ctx)
	}
	for {
		a.perform(budget.ctx)
		retry := budget.step.Retry
		if a.rec.Outcome == state.Succeeded || a.rec.Outcome == state.Skipped || a.unit.err != nil || budget.left == 0 || ctx.Err() != nil ||
			!retry.Worth(a.rec.Outcome == state.TimedOut, a.exitCode()) {
			return
		}
		if !a.pause(ctx, retry) {
			return
		}
		budget.left--
		budget.begin(ctx)
	}
}

// exitCode returns the program's exit code, 128+n if signal n ended it, or nil if no
// program has ended.
func (a *action) exitCode() *int {
	if a.rec.ExitCode != nil {
		return a.rec.ExitCode
	}
	if a.signal == 0 {
		return nil
	}
	code := 128 + int(a.signal)
	return &code
}

// attempt returns a text such as "attempt 1 of 3". The scripts of a directory share their
// attempts, so that their number is not known.
func (a *action) attempt() string {
	if _, scripts := a.unit.step.Action.(config.Scripts); scripts {
		return fmt.Sprintf("attempt %d", a.rec.Attempt)
	}
	return fmt.Sprintf("attempt %d of %d", a.rec.Attempt, a.unit.step.Retry.Times+1)
}

// pause waits before the next attempt and resets the record for it. It returns false,
// and keeps the record, if no time is left for another attempt. The pause is a random
// part of the back-off (full jitter), so that containers that failed together do not
// retry together.
func (a *action) pause(ctx context.Context, retry config.Retry) bool {
	next := a.rec.Attempt + 1
	pause := rand.N(retry.Pause(next) + 1)
	if deadline, ok := ctx.Deadline(); ok && pause >= time.Until(deadline) {
		a.warn(fmt.Sprintf("%s failed: %s, no time is left for another one", a.attempt(), a.rec.Error))
		return false
	}
	what := fmt.Sprintf("%s failed: %s, next in %.1f s", a.attempt(), a.rec.Error, pause.Seconds())
	a.warn(what)
	failed := a.rec
	a.rec = state.StepRecord{Name: failed.Name, Kind: failed.Kind, Once: failed.Once, Start: failed.Start,
		Outcome: state.Running, Attempt: failed.Attempt, Waiting: what}
	a.show()
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		a.rec = failed
		a.stopped(ctx)
		return false
	}
	a.rec.Attempt, a.rec.Waiting, a.signal = next, a.unit.step.Action.WaitsFor(), 0
	a.show()
	return true
}
