package hooks

import (
	"context"
	"syscall"
	"time"

	"github.com/podhook/podhook/hooks/process"
	"github.com/podhook/podhook/hooks/state"
)

// showInterval is how often, at most, a record is written only because what a
// step waits for has changed.
const showInterval = 500 * time.Millisecond

// action is a unit while it is done. It works on a copy of its record: other
// steps of its group write theirs at the same time.
type action struct {
	run    *run
	unit   unit
	rec    state.StepRecord
	tail   *tail
	signal syscall.Signal // what ended the program
	shown  time.Time      // when the record was written last
	stale  bool           // what it says of waiting has changed since
}

// perform does what the unit says and fills in the outcome.
func (a *action) perform(ctx context.Context) {
	if ctx.Err() != nil {
		a.stopped(ctx)
		return
	}
	if a.unit.err != nil {
		a.fail(a.unit.err.Error())
		return
	}
	a.unit.perform(ctx, a)
}

func (a *action) succeed()        { a.rec.Outcome = state.Succeeded }
func (a *action) fail(why string) { a.rec.Outcome, a.rec.Error = state.Failed, why }

// stopped records a step that the end of ctx has stopped.
func (a *action) stopped(ctx context.Context) {
	a.rec.Outcome, a.rec.Error = stopOutcome(ctx), stopReason(ctx)
}

// show puts the record where status finds it.
func (a *action) show() {
	a.run.mu.Lock()
	defer a.run.mu.Unlock()
	a.run.rec.Steps[a.unit.at] = a.rec
	a.run.journal.progress(&a.run.rec)
	a.shown, a.stale = time.Now(), false
}

// waiting shows what a step waits for, but not too often.
func (a *action) waiting(text string) {
	a.stale = a.stale || a.rec.Waiting != text
	a.rec.Waiting = text
	if a.stale && time.Since(a.shown) >= showInterval {
		a.show()
	}
}

// end settles a unit: its record, its totals, and what it means for the rest.
func (a *action) end(ctx context.Context, sc *scope) {
	now := time.Now()
	a.rec.End, a.rec.Waiting, a.rec.Tail, a.rec.Error = &now, "", a.tail.lines(), cutError(a.rec.Error)
	a.run.mu.Lock()
	defer a.run.mu.Unlock()
	a.run.rec.Steps[a.unit.at] = a.rec
	boundTails(a.run.rec.Steps)
	a.run.rec.Totals.AddStep(a.rec.Outcome, now.Sub(*a.rec.Start).Seconds())
	sc.judge(ctx, a.unit.step.OnFailure, a.rec.Outcome, "step "+a.rec.Name+": "+a.rec.Error)
}

// say puts a line of podhook's own into a step's output.
func (a *action) say(text string) { a.print([]byte(text)) }

func (a *action) print(text []byte) {
	a.run.line(a.unit.name, a.tail, process.Line{Stream: process.Stdout, Text: text})
}
