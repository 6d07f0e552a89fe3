package config

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// Check compares the worst case of every hook with the hook's timeout, and that of
// shutdown with the grace period. From the grace period it subtracts the margin, which
// the main process has to stop in, and the time to kill a program. The problems show
// the sum. With a gracePeriod of 0 only the timeouts are compared.
func (c *Config) Check(gracePeriod, margin time.Duration) []Problem {
	var list []Problem
	for _, name := range slices.Sorted(maps.Keys(c.Hooks)) {
		h := c.Hooks[name]
		worst := h.WorstCase()
		if h.leastCase().Sum >= h.Timeout {
			continue // Hopeless says so
		}
		if worst.Sum > h.Timeout || len(worst.Unbounded) > 0 && worst.Sum == h.Timeout {
			list = append(list, Problem{Pos: h.Pos, Field: "hooks." + name,
				Msg: fmt.Sprintf("the worst case is longer than the hook may take: %s > hooks.%s.timeout %s",
					worst, name, short(h.Timeout))})
		}
	}
	if shutdown := c.Hooks[Shutdown]; gracePeriod > 0 && len(shutdown.Steps) > 0 {
		list = append(list, shutdown.checkGrace(gracePeriod, margin)...)
	}
	return list
}

// Hopeless returns a problem for every hook and every group that can never succeed: its
// sleeps alone take as long as its timeout.
func (c *Config) Hopeless() (list []Problem) {
	for _, h := range c.inOrder() {
		for _, s := range h.Steps {
			if sum := s.longestMember(); s.Timeout > 0 && sum.Sum >= s.Timeout {
				list = append(list, Problem{Pos: s.Pos, Field: fmt.Sprintf("hooks.%s, step %s", h.Name, s.Name), Msg: fmt.Sprintf(
					"can never succeed: %s, and the timeout of the group is %s", sum, short(s.Timeout))})
			}
		}
		if sum := h.leastCase(); sum.Sum >= h.Timeout {
			list = append(list, Problem{Pos: h.Pos, Field: "hooks." + h.Name, Msg: fmt.Sprintf(
				"can never succeed: %s, and hooks.%s.timeout is %s", sum, h.Name, short(h.Timeout))})
		}
	}
	return list
}

// leastCase returns the shortest time of the steps that always run, and its sum for
// people. Only a sleep has a least time.
func (h *Hook) leastCase() (w Worst) {
	for _, s := range h.Steps {
		if least := s.least(); least > 0 {
			w.Sum = add(w.Sum, least)
			w.Parts = append(w.Parts, WorstStep{Name: s.Name, Longest: least})
		}
	}
	return w
}

func (s *Step) least() (least time.Duration) {
	if s.Once || len(s.When.Triggers) > 0 || len(s.When.Reasons) > 0 || s.When.PodEnds || s.When.Unclean {
		return 0
	}
	if sleep, ok := s.Action.(Sleep); ok {
		return sleep.Duration
	}
	least = s.longestMember().Sum
	if s.Timeout > 0 {
		least = min(least, s.Timeout)
	}
	return least
}

// longestMember returns the shortest time of a group: that of its longest member.
func (s *Step) longestMember() (w Worst) {
	for _, member := range s.Members() {
		if t := member.least(); t > w.Sum {
			w.Sum, w.Parts = t, []WorstStep{{Name: member.Name, Longest: t}}
		}
	}
	return w
}

func (h *Hook) checkGrace(gracePeriod, margin time.Duration) []Problem {
	kill := h.LongestKill() // package hooks reserves it too
	worst, left := h.WorstCase(), gracePeriod-margin-kill
	needed, why := h.Timeout, fmt.Sprintf("hooks.%s.timeout %s", h.Name, short(h.Timeout))
	if len(worst.Unbounded) == 0 && worst.Sum <= h.Timeout {
		needed, why = worst.Sum, worst.String()
	}
	if needed <= left {
		return nil
	}
	less := ""
	if kill > 0 {
		less = " - " + short(kill) + " to kill"
	}
	return []Problem{{Pos: h.Pos, Field: "hooks." + h.Name, Msg: fmt.Sprintf(
		"longer than the grace period allows: %s > %s grace period - %s margin%s = %s; the hook is cut to that",
		why, short(gracePeriod), short(margin), less, short(left))}}
}

// Worst is the longest time that the steps of a hook can take.
type Worst struct {
	Sum time.Duration
	// Parts lists the steps with a time of their own, in order.
	Parts []WorstStep
	// Unbounded lists the steps that only the hook's timeout ends.
	Unbounded []string
}

// WorstStep is the longest time that one step can take: all attempts and the longest
// pauses between them. For a group it is that of its longest step.
type WorstStep struct {
	Name    string
	Longest time.Duration
	// Detail shows the sum, such as "3 x 5s + 3s pauses". It is "" for a single
	// attempt.
	Detail string
}

// WorstCase returns the longest time that the hook's steps can take.
func (h *Hook) WorstCase() Worst {
	var w Worst
	for _, s := range h.Steps {
		part, bounded := s.worst()
		switch {
		case !bounded:
			w.Unbounded = append(w.Unbounded, s.Name)
		case part.Longest > 0:
			w.Sum = add(w.Sum, part.Longest)
			w.Parts = append(w.Parts, part)
		}
	}
	return w
}

// Reserve returns the part of the hook's time that is kept for the steps with
// always: true from the n-th on: their worst case, but at most half of the timeout.
func (h *Hook) Reserve(n int) time.Duration {
	var sum time.Duration
	for _, s := range h.Steps[min(n, len(h.Steps)):] {
		if part, _ := s.worst(); s.Always {
			sum = add(sum, part.Longest)
		}
	}
	return min(sum, h.Timeout/2)
}

// add adds durations that are not negative. The sum stops at about 200 years instead
// of an overflow: a file may hold thousands of steps of many days.
func add(sum, d time.Duration) time.Duration {
	const most = math.MaxInt64 / 3 * 2
	return min(sum, most-d) + d
}

func (s *Step) worst() (w WorstStep, bounded bool) { return s.Action.worst(s) }

// worstOpen is the worst case of an action that goes on until its timeout.
func (s *Step) worstOpen() (w WorstStep, bounded bool) {
	if s.Timeout == 0 {
		return WorstStep{Name: s.Name}, false
	}
	return s.worstOf(s.Timeout)
}

// worstOf is the worst case of a step whose attempts take this long each.
func (s *Step) worstOf(attempt time.Duration) (w WorstStep, bounded bool) {
	longest, pauses := s.Retry.longest(attempt)
	w = WorstStep{Name: s.Name, Longest: longest}
	if s.Retry.Times > 0 {
		w.Detail = short(pauses) + " pauses"
		if attempt > 0 {
			w.Detail = fmt.Sprintf("%d x %s + %s", s.Retry.Times+1, short(attempt), w.Detail)
		}
	}
	return w, true
}

// String returns a text such as "16.5s render (3 x 5s + 1.5s pauses)".
func (w WorstStep) String() string {
	text := short(w.Longest) + " " + w.Name
	if w.Detail != "" {
		text += " (" + w.Detail + ")"
	}
	return text
}

// String shows the sum, such as "5s sleep + 10s drain + 20s quit = 35s".
func (w Worst) String() string {
	var parts []string
	for _, part := range w.Parts {
		parts = append(parts, part.String())
	}
	text := strings.Join(parts, " + ")
	if len(parts) > 1 {
		text += " = " + short(w.Sum)
	}
	if len(w.Unbounded) > 0 {
		text += ", and " + strings.Join(w.Unbounded, ", ") + " without a timeout"
	}
	return text
}

// short formats a duration without zeros: 1m for 1m0s.
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
