// Package wait waits for what the conditions of hooks/config name. The wait step
// and the wait command are both made of it.
package wait

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	firstPause = 20 * time.Millisecond
	// DefaultInterval is the longest pause between two looks.
	DefaultInterval = time.Second
	// lookTime bounds one look: a target that takes connections and says nothing
	// is looked at again.
	lookTime = 5 * time.Second
	// lastLook is what a look at the very end has.
	lastLook = 100 * time.Millisecond
)

type slowError struct{}

func (slowError) Error() string { return "no answer within " + lookTime.String() }

// Seen is what one look at a condition came to.
type Seen struct {
	Done bool
	// Text says in a few words what was seen.
	Text string
	// Err is what makes further looks useless.
	Err error
}

// Look looks at a condition once. It ends with its context.
type Look func(context.Context) Seen

// Once looks once, for at most 5 s.
func (look Look) Once(ctx context.Context) Seen {
	ctx, cancel := context.WithTimeoutCause(ctx, lookTime, slowError{})
	defer cancel()
	return look(ctx)
}

// Until looks again and again, less and less often up to the interval (0 is the
// default), until the condition holds, a look says that it never will, or ctx
// ends; then the error is the context's. Where its deadline comes during a pause,
// there is one more look, of 100 ms at most. Pauses are random between a half and
// the whole, so that the containers of a node do not all look at once. What each
// look has seen is reported; what was seen last is returned.
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
			return last, ctx.Err() // this look was cut short: what it saw is no news
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

// atEnd is the look at the deadline.
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
