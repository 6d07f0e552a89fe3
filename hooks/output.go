package hooks

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/podhook/podhook/hooks/process"
	"github.com/podhook/podhook/hooks/state"
)

// tail keeps a step's last lines. A background process may go on printing after
// its step has ended, so it is locked.
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

// errorLimit bounds what a step failed by, in bytes: a record has a thousand steps.
const errorLimit = 1 << 10

func cutError(text string) string {
	if len(text) <= errorLimit {
		return text
	}
	return strings.ToValidUTF8(text[:errorLimit], "") + "..."
}

// tailsLimit bounds the last lines of all steps together, in bytes: a hook may
// have hundreds of scripts, and the record is written with every step.
const tailsLimit = 64 << 10

// boundTails gives up last lines where there are too many of them: first those of
// the oldest steps that have succeeded, which nobody asks for, then the newest of
// the others, because the first failure is often the cause of the rest.
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

// line shows a line and writes it down.
func (x *run) line(step string, t *tail, l process.Line) {
	t.add(l.Text)
	line := Line{Hook: x.hook.Name, Step: step, RunID: x.rec.RunID, Line: l}
	x.lines.Lock()
	defer x.lines.Unlock()
	x.journal.line(line)
	x.runner.Options.Observer.Line(line)
}

// String is a line for people: what was cut from it is counted.
func (l Line) String() string {
	if l.Line.Dropped == 0 {
		return string(l.Line.Text)
	}
	return fmt.Sprintf("%s [%d bytes cut]", l.Line.Text, l.Line.Dropped)
}
