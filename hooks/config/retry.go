package config

import (
	"slices"
	"strconv"
	"time"
)

// Retry says what follows a failed attempt of a step.
type Retry struct {
	// Times is how many attempts may follow the first. The scripts of a
	// directory share them.
	Times int
	// Backoff is the longest pause before the second attempt; it doubles from
	// attempt to attempt, up to MaxBackoff. The pause is random between nothing
	// and that (full jitter), and never longer than what is left of the hook's
	// time: then there is no further attempt.
	Backoff time.Duration
	// On are the exit codes that are worth another attempt, and Timeout whether
	// an attempt that ran out of time is. With neither, every failure is.
	On      []int
	Timeout bool
}

const (
	defaultBackoff = time.Second
	// MaxBackoff is where the doubling ends.
	MaxBackoff = 30 * time.Second
	maxRetries = 100
)

// Pause is the longest pause before the attempt with this number; the first
// attempt is 1.
func (r Retry) Pause(attempt int) time.Duration {
	pause := r.Backoff
	for range attempt - 2 {
		if pause >= MaxBackoff {
			break
		}
		pause *= 2
	}
	return max(r.Backoff, min(pause, MaxBackoff))
}

// Worth says whether a failure is worth another attempt. exitCode is nil where
// no program has exited.
func (r Retry) Worth(timedOut bool, exitCode *int) bool {
	if len(r.On) == 0 && !r.Timeout {
		return true
	}
	if timedOut {
		return r.Timeout
	}
	return exitCode != nil && slices.Contains(r.On, *exitCode)
}

// longest are all attempts with the longest pauses between them.
func (r Retry) longest(attempt time.Duration) (sum, pauses time.Duration) {
	for n := 2; n <= r.Times+1; n++ {
		pauses += r.Pause(n)
	}
	return attempt*time.Duration(r.Times+1) + pauses, pauses
}

func (d *decoder) retryFields(s *stepDraft) []field {
	needsRetries := func(read func(value)) func(value) {
		return func(v value) {
			s.needRetries = append(s.needRetries, v)
			read(v)
		}
	}
	return []field{
		{"retries", s.ownOnly(func(v value) { s.step.Retry.Times, s.retriesGiven = d.number(v, 0, maxRetries), true })},
		{"backoff", s.ownOnly(needsRetries(func(v value) { s.step.Retry.Backoff = d.duration(v) }))},
		{"retryOn", s.ownOnly(needsRetries(func(v value) { d.retryOn(v, s) }))},
	}
}

func (d *decoder) retryOn(v value, s *stepDraft) {
	const allowed = "a list of exit codes from 1 to 255 and timeout, such as [75, timeout]"
	items := d.items(v, allowed)
	for _, item := range items {
		text, ok := d.text(item, allowed)
		if !ok {
			continue
		}
		if text == "timeout" {
			s.step.Retry.Timeout = true
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 255 {
			d.refuse(item, allowed)
			continue
		}
		s.step.Retry.On = append(s.step.Retry.On, n)
		s.idle = append(s.idle, item)
	}
	if len(items) == 0 && (v.isNull() || v.node.Kind != scalarNode) {
		d.wrong(v, "empty; "+allowed)
	}
}

// checkRetry completes the retries of a step.
func (d *decoder) checkRetry(s *stepDraft) {
	if s.step.Retry.Times > 0 && s.step.Retry.Backoff == 0 {
		s.step.Retry.Backoff = defaultBackoff
	}
	if s.step.Retry.Times > 0 {
		return
	}
	for _, v := range s.needRetries {
		if !s.retriesGiven {
			d.wrong(v, "means nothing without retries")
		}
	}
}
