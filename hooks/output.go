package hooks

import (
	"fmt"
	"slices"
	"sync"

	"github.com/podhook/podhook/hooks/process"
	"github.com/podhook/podhook/hooks/state"
)

// tailBytes bounds the last lines of a step that its record keeps, for the
// status, the summary and the termination message.
const tailBytes = 1 << 10

// tail keeps a step's last lines. A background process may go on printing after
// its step has ended, so it is locked.
type tail struct {
	mu   sync.Mutex
	kept []string
	size int
}

func newTail() *tail { return &tail{} }

func (t *tail) add(text []byte) {
	if len(text) > tailBytes {
		text = text[len(text)-tailBytes:]
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, string(text))
	t.size += len(text) + 1
	for t.size > tailBytes && len(t.kept) > 1 {
		t.size -= len(t.kept[0]) + 1
		t.kept = slices.Delete(t.kept, 0, 1)
	}
}

func (t *tail) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.kept)
}

// line shows a line and writes it down.
func (x *run) line(rec *state.StepRecord, t *tail, l process.Line) {
	t.add(l.Text)
	line := Line{Hook: x.hook.Name, Step: rec.Name, RunID: x.rec.RunID, Line: l}
	x.journal.line(line)
	x.Observer.Line(line)
}

// String is a line for people: what was cut from it is counted.
func (l Line) String() string {
	if l.Dropped == 0 {
		return string(l.Text)
	}
	return fmt.Sprintf("%s [%d bytes cut]", l.Text, l.Dropped)
}
