package hooks

import (
	"time"

	"github.com/podhook/podhook/hooks/state"
)

// journal writes the record and the output of a run. A write that fails does not stop
// the run, and the next write is tried. Only the write at the begin and the last one
// decide whether the hook fails.
type journal struct {
	lock     *state.Lock // nil if nothing can be written
	previous state.Record
	err      error               // of the last write, or why there is no lock
	output   *state.OutputWriter // Unlock closes it
}

// write writes the record as it is now.
func (j *journal) write(rec *state.Record) error {
	if j.lock != nil {
		j.err = j.lock.Write(*rec)
	}
	return j.err
}

func (j *journal) begin(rec *state.Record) {
	if j.lock == nil {
		return
	}
	_ = j.lock.Reserve() // fails if the state is full already
	j.err = j.lock.Write(*rec)
	j.output, _ = j.lock.Output(rec.RunID) // the run is worth more than its output
}

func (j *journal) line(l Line) {
	if j.output != nil {
		_ = j.output.WriteLine(time.Now(), l.Step, string(l.Line.Stream), l.Line.Text, l.Line.Dropped) // a lost line does not fail the hook
	}
}

func (j *journal) close() {
	if j.lock != nil {
		_ = j.lock.Unlock() // closing the descriptor cannot fail in a way that keeps the lock
	}
}
