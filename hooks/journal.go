package hooks

import (
	"time"

	"github.com/podhook/podhook/hooks/state"
)

// journal writes a run down as it goes on. Where the state cannot be written the run
// goes on without, and each write is tried again: whether that fails the hook is
// decided at its begin and by the last write.
type journal struct {
	lock     *state.Lock // nil: nothing is written
	previous state.Record
	err      error               // of the newest write, or why there is no lock
	output   *state.OutputWriter // ended by the lock's end
}

// progress writes a record that end's follows.
func (j *journal) progress(rec *state.Record) {
	if j.lock != nil {
		j.err = j.lock.Progress(*rec)
	}
}

func (j *journal) begin(rec *state.Record) {
	if j.lock == nil {
		return
	}
	_ = j.lock.Reserve() // of no use where the state is full already
	j.err = j.lock.Write(*rec)
	j.output, _ = j.lock.Output(rec.RunID) // a run without its output is worth more than none
}

func (j *journal) line(l Line) {
	if j.output != nil {
		_ = j.output.WriteLine(time.Now(), l.Step, string(l.Line.Stream), l.Line.Text, l.Line.Dropped) // a lost line of output is no reason to fail the hook
	}
}

// end returns why the outcome is not recorded, or nil.
func (j *journal) end(rec *state.Record) error {
	if j.lock != nil {
		j.err = j.lock.Write(*rec)
	}
	return j.err
}

func (j *journal) close() {
	if j.lock != nil {
		_ = j.lock.Unlock() // closing the descriptor cannot fail in a way that keeps the lock
	}
}
