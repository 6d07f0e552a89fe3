package config

import (
	"slices"
	"strconv"
	"time"
)

// Retry says whether and when a failed attempt of a step is retried.
type Retry struct {
	// Times is the number of attempts after the first. The scripts of a directory share
	// them.
	Times int
	// Backoff is the longest pause before the second attempt. It doubles for each
	// further attempt, up to MaxBackoff. The pause is random between 0 and that (full
	// jitter). There is no further attempt if the pause would not end in the hook's time.
	Backoff time.Duration
	// On lists the exit codes that are retried. Timeout says that a timeout is. With
	// neither, every failure is retried.
	On      []int
	Timeout bool
}

const (
	defaultBackoff = time.Second
	// MaxBackoff is where the doubling ends.
	MaxBackoff = 30 * time.Second
	maxRetries = 100
)

// Pause returns the longest pause before an attempt. The first attempt is 1.
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

// Worth reports whether a failure is retried. exitCode is nil if no program has ended.
func (r Retry) Worth(timedOut bool, exitCode *int) bool {
	if len(r.On) == 0 && !r.Timeout {
		return true
	}
	if timedOut {
		return r.Timeout
	}
	return exitCode != nil && slices.Contains(r.On, *exitCode)
}

// longest returns the longest time of all attempts, with the pauses between them, and
// that of the pauses alone.
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

// checkRetry sets the default back-off, and refuses fields that need retries.
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
