package hooks

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/podhook/podhook/hooks/process"
	"github.com/podhook/podhook/hooks/state"
)

// tail keeps the last lines of a step. It has a lock because a background process may
// print after the step has ended.
type tail struct {
	mu  sync.Mutex
	rec state.StepRecord
}

func newTail() *tail { return &tail{} }

func (t *tail) add(text []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rec.AddTail(string(text))
}

func (t *tail) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.rec.Tail)
}

// errorLimit is the longest error of a step, in bytes: a record may have a thousand
// steps.
const errorLimit = 1 << 10

func cutError(text string) string {
	if len(text) <= errorLimit {
		return text
	}
	return strings.ToValidUTF8(text[:errorLimit], "") + "..."
}

// tailsLimit bounds the last lines of all steps together, in bytes: a hook may have
// hundreds of scripts, and the record is written after each.
const tailsLimit = 64 << 10

// boundTails drops last lines beyond tailsLimit: first those of steps that have
// succeeded, from the oldest; then those of the others, from the newest, because the
// first failure is often the cause of the rest.
func boundTails(steps []state.StepRecord) {
	total := 0
	for _, s := range steps {
		for _, line := range s.Tail {
			total += len(line)
		}
	}
	give := func(s *state.StepRecord) {
		for _, line := range s.Tail {
			total -= len(line)
		}
		s.Tail = nil
	}
	for i := 0; i < len(steps) && total > tailsLimit; i++ {
		if steps[i].Outcome == state.Succeeded {
			give(&steps[i])
		}
	}
	for i := len(steps) - 1; i >= 0 && total > tailsLimit; i-- {
		give(&steps[i])
	}
}

// line passes a line of output to the tail, the journal and the Observer.
func (x *run) line(step string, t *tail, l process.Line) {
	x.pass(t, Line{Step: step, Line: l})
}

func (x *run) pass(t *tail, line Line) {
	line.Line.Text = x.mask.hideLine(line.Line)
	t.add(line.Line.Text)
	line.Hook, line.RunID = x.hook.Name, x.rec.RunID
	x.lines.Lock()
	defer x.lines.Unlock()
	x.journal.line(line)
	x.runner.Options.Observer.Line(line)
}

// stepsEnded tells the Observer of steps that have ended or are skipped.
func (x *run) stepsEnded(list ...state.StepRecord) {
	x.lines.Lock()
	defer x.lines.Unlock()
	for _, rec := range list {
		x.runner.Options.Observer.StepEnded(x.hook.Name, x.rec.RunID, rec)
	}
}

// String returns the line's text, with the number of bytes that were cut from it.
func (l Line) String() string {
	if l.Line.Dropped == 0 {
		return string(l.Line.Text)
	}
	return fmt.Sprintf("%s [%d bytes cut]", l.Line.Text, l.Line.Dropped)
}
