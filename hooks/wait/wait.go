// Package wait waits for the conditions of hooks/config. The wait step and the wait
// command use it.
package wait

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/podhook/podhook/hooks/config"
)

const (
	firstPause = 20 * time.Millisecond
	// DefaultInterval is the longest pause between two checks of most conditions.
	DefaultInterval = time.Second
	// lookTime bounds one check, so that a target that accepts connections and does not
	// answer is checked again.
	lookTime = 5 * time.Second
	// programTime bounds one run of a program.
	programTime = 30 * time.Second
	// lastLook bounds the check at the deadline.
	lastLook = 100 * time.Millisecond
)

type slowError time.Duration

func (e slowError) Error() string { return "no answer within " + time.Duration(e).String() }

// Seen is the result of one check of a condition.
type Seen struct {
	Done bool
	// Text says in a few words what the check found.
	Text string
	// Connections are those that are left, nil for other conditions.
	Connections *int
	// Err says why further checks are useless.
	Err error
}

// Look checks a condition once. It ends with its context.
type Look func(context.Context) Seen

// within ends each check after some time.
func (look Look) within(limit time.Duration) Look {
	return func(ctx context.Context) Seen {
		ctx, cancel := context.WithTimeoutCause(ctx, limit, slowError(limit))
		defer cancel()
		return look(ctx)
	}
}

// Holding checks whether the condition has held for some time at each check. 0 asks for
// one check. It belongs to one wait.
func (look Look) Holding(holds time.Duration) Look {
	if holds == 0 {
		return look
	}
	var since time.Time
	return func(ctx context.Context) Seen {
		seen := look(ctx)
		now := time.Now()
		switch {
		case !seen.Done:
			since = time.Time{}
			return seen
		case since.IsZero():
			since = now
		}
		held := now.Sub(since)
		seen.Done = held >= holds
		seen.Text += fmt.Sprintf(", for %.1f s", held.Seconds())
		return seen
	}
}

// Interval is the longest pause between two checks of a wait. A condition that has to hold
// is checked at least ten times meanwhile.
func Interval(do config.Wait) time.Duration {
	if do.Interval != 0 {
		return do.Interval
	}
	if _, ok := do.For.(config.Quiet); ok {
		return config.QuietInterval
	}
	if do.Holds != 0 {
		return min(DefaultInterval, do.Holds/10)
	}
	return DefaultInterval
}

// Until checks until the condition holds, a check returns an error, or ctx ends, whose
// error it returns then. The pause between two checks doubles up to interval. Each pause is shortened at random by up to a half, so that the
// containers of a node do not check at the same time. If the deadline of ctx comes
// during a pause, there is one more check of at most 100 ms. The result of each check is
// reported; the last one is returned.
func (look Look) Until(ctx context.Context, interval time.Duration, report func(string)) (last string, err error) {
	for pause := min(firstPause, interval); ; pause = min(2*pause, interval) {
		seen := look(ctx)
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
