package hooks

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// steps runs the steps in order. After a step has halted the run, only those with
// always: true run.
func (x *run) steps(life context.Context, list []work) {
	for i := range list {
		w := &list[i]
		if reason := x.skip(w); reason != "" {
			x.skipAll(w.all(), reason)
			continue
		}
		ctx, cancel := x.timeFor(life, i)
		if i > 0 || w.needsReason() { // run has marked the first
			x.mark(w)
		}
		if w.members == nil {
			x.work(ctx, w, &x.scope)
		} else {
			x.group(ctx, w)
		}
		cancel()
	}
}

// podEndsUnknown is why a step is skipped that the run then owes.
const podEndsUnknown = "when: that the pod ends is not known here"

// skip returns why a step of the hook is skipped, or "".
func (x *run) skip(w *work) string {
	if w.needsReason() {
		x.awaitReason()
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	when := w.step.When
	switch {
	case x.scope.halted && !w.step.Always:
		return "an earlier step did not succeed"
	case x.onlyOwed && !slices.ContainsFunc(w.all(), func(u unit) bool { return x.rec.Steps[u.at].Owed }):
		return "had its turn in run " + x.journal.previous.RunID
	case x.onlyOwed:
		return ""
	case len(when.Triggers) > 0 && !slices.Contains(when.Triggers, string(x.rec.Trigger)):
		return fmt.Sprintf("when: the run was begun by %s, not by %s", x.rec.Trigger, strings.Join(when.Triggers, " or "))
	case len(when.Reasons) > 0 && !slices.Contains(when.Reasons, string(x.rec.StopReason)):
		return fmt.Sprintf("when: the stop reason is %s, not %s", cmp.Or(x.rec.StopReason, "not known yet"), strings.Join(when.Reasons, " or "))
	case when.PodEnds && !x.runner.podEnds() && !x.rec.StopReason.EndsPod():
		return podEndsUnknown
	case when.Unclean && !x.rec.Unclean:
		return "when: no unclean end came before this start"
	}
	return ""
}

func (x *run) skipAll(units []unit, reason string) {
	var skipped []state.StepRecord
	defer func() { x.stepsEnded(skipped...) }() // after the lock is free
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, u := range units {
		rec := &x.rec.Steps[u.at]
		why := reason
		if rec.DoneIn != "" {
			why = onceReason(rec)
		}
		*rec = state.StepRecord{Name: rec.Name, Kind: rec.Kind, Once: rec.Once, DoneIn: rec.DoneIn, Outcome: state.Skipped, Error: why, Owed: why == podEndsUnknown}
		x.rec.Totals.AddStep(rec.Outcome, 0)
		skipped = append(skipped, *rec)
	}
}

func onceReason(rec *state.StepRecord) string { return "once: succeeded in run " + rec.DoneIn }

// mark sets to running, in the record, the units that begin now: the first unit of a
// step that is not done yet, or of each step of a group.
func (x *run) mark(w *work) {
	x.mu.Lock()
	defer x.mu.Unlock()
	now := time.Now()
	for i := range w.members {
		x.markFirst(w.members[i].units, now)
	}
	x.markFirst(w.units, now)
	x.show()
}

func (x *run) markFirst(units []unit, now time.Time) {
	for _, u := range units {
		if rec := &x.rec.Steps[u.at]; rec.DoneIn == "" {
			rec.Outcome, rec.Start, rec.Attempt, rec.Waiting = state.Running, &now, 1, u.step.Action.WaitsFor()
			return
		}
	}
}

// work performs the units of a step in order. They share the step's timeout and
// retries.
func (x *run) work(ctx context.Context, w *work, sc *scope) {
	budget := &attempts{step: w.step, left: w.step.Retry.Times}
	defer budget.end()
	for i, u := range w.units {
		a := &action{run: x, unit: u, rec: x.record(u), tail: newTail(), shown: time.Now()}
		a.rec.Owed = false
		switch {
		case a.rec.DoneIn != "":
			x.skipAll([]unit{u}, "")
			continue
		case i > 0 && x.isHalted(sc, w.step):
			x.skipAll([]unit{u}, "an earlier step did not succeed")
			continue
		case a.rec.Outcome != state.Running:
			now := time.Now()
			a.rec.Outcome, a.rec.Start, a.rec.Attempt = state.Running, &now, 1
			a.show()
		}
		a.try(ctx, budget)
		a.end(ctx, sc)
	}
}

// record returns a copy of a unit's record for its action.
func (x *run) record(u unit) state.StepRecord {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.rec.Steps[u.at]
}

// isHalted reports whether an earlier script of the step, or another step of the group,
// has halted the scope. All scripts of a step with always: true run.
func (x *run) isHalted(sc *scope, step *config.Step) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return sc.halted && !step.Always
}

// showDelay bounds how late a record shows the progress of a run. Nobody sees more, and a
// run that is over sooner costs two writes, at its begin and its end.
const showDelay = 50 * time.Millisecond

// show writes the record soon, between its begin and its end, or at once if it owes that to
// the next run. The caller holds the lock.
func (x *run) show() {
	switch {
	case !x.goesOn:
	case x.due:
		x.write()
	case x.late == nil:
		x.late = time.AfterFunc(showDelay, func() {
			x.mu.Lock()
			defer x.mu.Unlock()
			if x.late != nil && x.goesOn {
				x.write()
			}
		})
	}
}

// write writes the record now. The caller holds the lock.
func (x *run) write() {
	if x.late != nil {
		x.late.Stop()
	}
	x.late, x.due = nil, false
	_ = x.journal.write(&x.rec) // the last write counts
}

// keep notes how a unit has ended. The next run must know of a success that it must not
// repeat, and of processes that it must not end, before another unit begins. The caller
// holds the lock.
func (x *run) keep(a *action, sc *scope) {
	x.due = x.due || a.rec.Outcome == state.Succeeded && (a.rec.Once || a.started)
	if sc != &x.scope { // the others of the group go on
		x.show()
	}
}

// shows begins or ends the time in which show writes.
func (x *run) shows(goesOn bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.goesOn = goesOn; x.late != nil {
		x.late.Stop()
	}
}

// count changes the totals.
func (x *run) count(change func(*state.Totals)) {
	x.mu.Lock()
	defer x.mu.Unlock()
	change(&x.rec.Totals)
}
