// Package wait waits for the conditions of hooks/config. The wait step and the wait
// command use it.
package wait

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/podhook/podhook/hooks/config"
)

const (
	firstPause = 20 * time.Millisecond
	// DefaultInterval is the longest pause between two checks.
	DefaultInterval = time.Second
	// lookTime bounds one check, so that a target that accepts connections and does not
	// answer is checked again.
	lookTime = 5 * time.Second
	// lastLook bounds the check at the deadline.
	lastLook = 100 * time.Millisecond
)

type slowError struct{}

func (slowError) Error() string { return "no answer within " + lookTime.String() }

// Seen is the result of one check of a condition.
type Seen struct {
	Done bool
	// Text says in a few words what the check found.
	Text string
	// Err says why further checks are useless.
	Err error
}

// Look checks a condition once. It ends with its context.
type Look func(context.Context) Seen

// Once checks once, for at most 5 s.
func (look Look) Once(ctx context.Context) Seen {
	ctx, cancel := context.WithTimeoutCause(ctx, lookTime, slowError{})
	defer cancel()
	return look(ctx)
}

// Interval is the longest pause between two checks of a wait.
func Interval(do config.Wait) time.Duration {
	if _, ok := do.For.(config.Quiet); ok && do.Interval == 0 {
		return config.QuietInterval
	}
	return do.Interval
}

// Until checks until the condition holds, a check returns an error, or ctx ends, whose
// error it returns then. The pause between two checks doubles up to interval, where 0
// means DefaultInterval. Each pause is shortened at random by up to a half, so that the
// containers of a node do not check at the same time. If the deadline of ctx comes
// during a pause, there is one more check of at most 100 ms. The result of each check is
// reported; the last one is returned.
func (look Look) Until(ctx context.Context, interval time.Duration, report func(string)) (last string, err error) {
	if interval == 0 {
		interval = DefaultInterval
	}
	for pause := min(firstPause, interval); ; pause = min(2*pause, interval) {
		seen := look.Once(ctx)
		if ctx.Err() != nil && !seen.Done {
			if last == "" {
				last = seen.Text
			}
			return last, ctx.Err() // this check was cut short, so its result says nothing
		}
		last = seen.Text
		if seen.Done || seen.Err != nil {
			return last, seen.Err
		}
		report(last)
		timer := time.NewTimer(pause/2 + rand.N(pause/2+1))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return look.atEnd(ctx, last)
		}
	}
}

// atEnd checks at the deadline.
func (look Look) atEnd(ctx context.Context, last string) (string, error) {
	if ctx.Err() != context.DeadlineExceeded {
		return last, ctx.Err()
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastLook)
	defer cancel()
	seen := look(late)
	switch {
	case seen.Done:
		return seen.Text, nil
	case late.Err() == nil:
		last = seen.Text
	}
	return last, ctx.Err()
}
