package hooks

import (
	"context"
	"syscall"
	"time"

	"github.com/podhook/podhook/hooks/process"
	"github.com/podhook/podhook/hooks/state"
)

// showInterval is the shortest time between two writes of a record of which only
// Waiting has changed.
const showInterval = 500 * time.Millisecond

// action is a unit that is being performed. It changes a copy of its record, because
// the other steps of its group write theirs at the same time.
type action struct {
	run    *run
	unit   unit
	rec    state.StepRecord
	tail   *tail
	signal syscall.Signal // the signal that ended the program, or 0
	shown  time.Time      // when the record was last written
	stale  bool           // Waiting has changed since then
	// started says that it has started a program, which may have left others.
	started bool
}

// perform makes one attempt and fills in its outcome.
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

// useDisk waits for its turn to do what can block in the kernel. Few steps do so at a
// time: each holds a thread, and no thread can be made when all PIDs of the container
// are in use. It reports false, and records the step as stopped, if ctx ends first.
func (a *action) useDisk(ctx context.Context) (done func(), ok bool) {
	disk := a.run.runner.disk
	select {
	case disk <- struct{}{}:
		return func() { <-disk }, true
	case <-ctx.Done():
		a.stopped(ctx)
		return nil, false
	}
}

func (a *action) succeed()        { a.rec.Outcome = state.Succeeded }
func (a *action) fail(why string) { a.rec.Outcome, a.rec.Error = state.Failed, why }

// stopped records that the end of ctx has stopped the step.
func (a *action) stopped(ctx context.Context) {
	a.rec.Outcome, a.rec.Error = stopOutcome(ctx), stopReason(ctx)
}

// show writes the record soon, so that podhook status shows it.
func (a *action) show() {
	a.run.mu.Lock()
	defer a.run.mu.Unlock()
	rec := &a.run.rec.Steps[a.unit.at]
	*rec = a.rec
	rec.Waiting = string(a.run.mask.hide([]byte(rec.Waiting))) // what a server says can be in it
	a.run.show()
	a.shown, a.stale = time.Now(), false
}

// waiting shows what the step waits for, at most every showInterval.
func (a *action) waiting(text string) {
	a.stale = a.stale || a.rec.Waiting != text
	a.rec.Waiting = text
	if a.stale && time.Since(a.shown) >= showInterval {
		a.show()
	}
}

// end completes the unit's record and its totals, and decides what the outcome means
// for the rest of the scope.
func (a *action) end(ctx context.Context, sc *scope) {
	now := time.Now()
	a.rec.End, a.rec.Waiting, a.rec.Tail, a.rec.Error = &now, "", a.tail.lines(), cutError(string(a.run.mask.hide([]byte(a.rec.Error))))
	defer a.run.stepsEnded(a.rec) // after the lock is free
	a.run.mu.Lock()
	defer a.run.mu.Unlock()
	a.run.rec.Steps[a.unit.at] = a.rec
	boundTails(a.run.rec.Steps)
	a.run.rec.Totals.AddStep(a.rec.Outcome, now.Sub(*a.rec.Start).Seconds())
	sc.judge(ctx, a.unit.step.OnFailure, a.rec.Outcome, "step "+a.rec.Name+": "+a.rec.Error)
	a.run.keep(a, sc)
}

// say adds podhook's own words to the step's output.
func (a *action) say(text string) { a.run.say(a.unit.name, a.tail, text, false) }

// warn is say for a failure.
func (a *action) warn(text string) { a.run.say(a.unit.name, a.tail, text, true) }

func (x *run) say(step string, t *tail, text string, trouble bool) {
	x.pass(t, Line{Step: step, Line: process.Line{Stream: Own, Text: []byte(text)}, Trouble: trouble})
}

func (a *action) print(text []byte) {
	a.run.line(a.unit.name, a.tail, process.Line{Stream: process.Stdout, Text: text})
}
