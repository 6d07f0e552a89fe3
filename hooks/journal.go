package hooks

import (
	"time"

	"github.com/podhook/podhook/hooks/state"
)

// journal writes a run down as it goes on. Where the state cannot be written it
// remembers the first error and goes on without: whether that fails the hook is
// decided once, at its begin and at its end.
type journal struct {
	lock     *state.Lock // nil: nothing is written
	previous state.Record
	err      error
	output   *state.OutputWriter // ended by the lock's end
}

func (j *journal) write(rec *state.Record) {
	if j.lock != nil && j.err == nil {
		j.err = j.lock.Write(*rec)
	}
}

// begin clears the marker before anything runs: it must not speak for a run
// that has not ended.
func (j *journal) begin(rec *state.Record) {
	if j.lock == nil {
		return
	}
	if j.err = j.lock.ClearMarker(); j.err != nil {
		return
	}
	if j.write(rec); j.err != nil {
		return
	}
	j.output, j.err = j.lock.Output(rec.RunID)
}

func (j *journal) line(l Line) {
	if j.output != nil {
		_ = j.output.WriteLine(time.Now(), l.Step, string(l.Stream), l.Text, l.Dropped) // a lost line of output is no reason to fail the hook
	}
}

func (j *journal) end(rec *state.Record) {
	j.write(rec)
	if j.lock != nil && j.err == nil && rec.Outcome == state.Succeeded {
		j.err = j.lock.SetMarker(rec.RunID)
	}
}

func (j *journal) close() {
	if j.lock != nil {
		_ = j.lock.Unlock() // closing the descriptor cannot fail in a way that keeps the lock
	}
}
