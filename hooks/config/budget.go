package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Check compares the worst case of every hook, in which each step takes all of
// its time, with the hook's timeout, and shutdown's with the grace period less
// the margin that is kept for the main process to stop in. The warnings show
// the sum. A gracePeriod of 0 leaves the second comparison out.
func (c *Config) Check(gracePeriod, margin time.Duration) []Problem {
	var list []Problem
	for _, name := range slices.Sorted(maps.Keys(c.Hooks)) {
		h := c.Hooks[name]
		worst := h.worstCase()
		if worst.sum > h.Timeout || len(worst.unbounded) > 0 && worst.sum == h.Timeout {
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

func (h *Hook) checkGrace(gracePeriod, margin time.Duration) []Problem {
	worst, left := h.worstCase(), gracePeriod-margin
	needed, why := h.Timeout, fmt.Sprintf("hooks.%s.timeout %s", h.Name, short(h.Timeout))
	if len(worst.unbounded) == 0 && worst.sum <= h.Timeout {
		needed, why = worst.sum, worst.String()
	}
	if needed <= left {
		return nil
	}
	return []Problem{{Pos: h.Pos, Field: "hooks." + h.Name, Msg: fmt.Sprintf(
		"longer than the grace period allows: %s > %s grace period - %s margin = %s; the hook is cut to that",
		why, short(gracePeriod), short(margin), short(left))}}
}

// worst is the longest that the steps of a hook can take.
type worst struct {
	sum   time.Duration
	parts []string
	// unbounded are the steps without a time of their own; what is left of the
	// hook's is theirs.
	unbounded []string
}

func (h *Hook) worstCase() worst {
	var w worst
	for _, s := range h.Steps {
		longest := s.Timeout
		if sleep, ok := s.Action.(Sleep); ok {
			longest = sleep.Duration
		}
		if longest == 0 {
			w.unbounded = append(w.unbounded, s.Name)
			continue
		}
		w.sum += longest
		w.parts = append(w.parts, short(longest)+" "+s.Name)
	}
	return w
}

// String is the sum laid out: "5s sleep + 10s drain + 20s quit = 35s".
func (w worst) String() string {
	text := strings.Join(w.parts, " + ")
	if len(w.parts) > 1 {
		text += " = " + short(w.sum)
	}
	if len(w.unbounded) > 0 {
		text += ", and " + strings.Join(w.unbounded, ", ") + " without a timeout"
	}
	return text
}

// short leaves out the zeros: 1m for 1m0s.
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
