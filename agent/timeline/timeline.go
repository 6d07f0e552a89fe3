// Package timeline lays a run of a hook out in time: its steps as bars, for a page and for
// a terminal.
package timeline

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/podhook/podhook/hooks/state"
)

// Bar is a step of a run. From and To are parts of the run's whole time, from 0 to 1.
type Bar struct {
	Name     string
	Outcome  state.Outcome
	From, To float64
	Took     time.Duration
	// About says in a few words what is to be known: attempts, what it waits for, why it
	// failed.
	About string
}

// Run is a run laid out.
type Run struct {
	// Whole is the time that the bars share.
	Whole time.Duration
	Bars  []Bar
	// Deadline is where the run's time ends, as a part of Whole, or 0 if that is later.
	Deadline float64
	// Ahead are the steps that are still to begin. Skipped are those that never began, with
	// the reason if there is one.
	Ahead, Skipped []string
}

// Of lays out a run that has ended, or that goes on now. Steps that have not begun have no
// bar.
func Of(rec *state.Record, now time.Time) Run {
	end := now
	if rec.End != nil {
		end = *rec.End
	} else if rec.Outcome != state.Running { // its process was killed, nobody knows when
		end = lastSeen(rec)
	}
	run := Run{Whole: max(end.Sub(rec.Start), time.Millisecond)}
	part := func(at time.Time) float64 {
		return min(max(float64(at.Sub(rec.Start))/float64(run.Whole), 0), 1)
	}
	for i := range rec.Steps {
		s := &rec.Steps[i]
		switch {
		case s.Start == nil && rec.Outcome == state.Running && s.Outcome == state.Pending:
			run.Ahead = append(run.Ahead, s.Name)
			continue
		case s.Start == nil:
			name := s.Name
			if s.Error != "" {
				name += " (" + s.Error + ")"
			}
			run.Skipped = append(run.Skipped, name)
			continue
		}
		until := end
		if s.End != nil {
			until = *s.End
		}
		run.Bars = append(run.Bars, Bar{Name: s.Name, Outcome: s.Outcome, From: part(*s.Start), To: part(until), Took: until.Sub(*s.Start), About: about(s)})
	}
	if !rec.Deadline.IsZero() && rec.Deadline.Before(end) {
		run.Deadline = part(rec.Deadline)
	}
	return run
}

// Notable are at most n bars in their order: those that did not succeed, and the longest.
func (r Run) Notable(n int) []Bar {
	if len(r.Bars) <= n {
		return r.Bars
	}
	chosen := make([]bool, len(r.Bars))
	for range n {
		best := -1
		for i, b := range r.Bars {
			if !chosen[i] && (best < 0 || b.before(r.Bars[best])) {
				best = i
			}
		}
		chosen[best] = true
	}
	var bars []Bar
	for i, b := range r.Bars {
		if chosen[i] {
			bars = append(bars, b)
		}
	}
	return bars
}

// before reports whether people look for b rather than for c.
func (b Bar) before(c Bar) bool {
	if good := b.Outcome == state.Succeeded; good != (c.Outcome == state.Succeeded) {
		return !good
	}
	return b.Took > c.Took
}

// lastSeen is the last time that a record has.
func lastSeen(rec *state.Record) time.Time {
	last := rec.Start
	for _, s := range rec.Steps {
		for _, at := range []*time.Time{s.Start, s.End} {
			if at != nil && at.After(last) {
				last = *at
			}
		}
	}
	return last
}

func about(s *state.StepRecord) string {
	var parts []string
	if s.Attempt > 1 {
		parts = append(parts, fmt.Sprintf("attempt %d", s.Attempt))
	}
	if s.Outcome == state.Running && s.Waiting != "" {
		parts = append(parts, "waiting: "+s.Waiting)
	}
	if s.Error != "" {
		parts = append(parts, s.Error)
	}
	if s.Signal != "" && !strings.Contains(s.Error, s.Signal) {
		parts = append(parts, "ended by "+s.Signal)
	}
	return strings.Join(parts, ", ")
}

// width is that of the bars in a terminal, in characters.
const width = 40

// mark is how an outcome is drawn.
func mark(o state.Outcome) string {
	switch o {
	case state.Succeeded:
		return "#"
	case state.Running:
		return ">"
	case state.Skipped:
		return "-"
	}
	return "x"
}

// Print draws the run with plain characters. clean makes one line of a text.
func (r Run) Print(w io.Writer, clean func(string) string) {
	longest := 0
	for _, b := range r.Bars {
		longest = max(longest, utf8.RuneCountInString(b.Name))
	}
	for _, b := range r.Bars {
		from := min(int(b.From*width), width-1)
		to := max(int(b.To*width+0.5), from+1)
		bar := strings.Repeat(".", from) + strings.Repeat(mark(b.Outcome), to-from) + strings.Repeat(".", width-to)
		if d := int(r.Deadline * width); d > 0 && d < width {
			bar = bar[:d] + "|" + bar[d+1:]
		}
		line := fmt.Sprintf("  %-*s  %s %9.3f s  %s", longest, clean(b.Name), bar, b.Took.Seconds(), clean(b.About))
		fmt.Fprintln(w, strings.TrimRight(line, " "))
	}
	for _, rest := range []struct {
		what  string
		names []string
	}{{"skipped", r.Skipped}, {"to come", r.Ahead}} {
		if len(rest.names) > 0 {
			fmt.Fprintf(w, "  %s: %s\n", rest.what, clean(strings.Join(rest.names, ", ")))
		}
	}
}
