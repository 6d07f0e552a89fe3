package hooks

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// run is one execution of a hook that goes on.
type run struct {
	runner  *Runner
	hook    *config.Hook
	budget  budget
	environ []string // of the request
	// onlyOwed is true if the hook has succeeded before and only the steps that it has
	// skipped because of podEnds are run.
	onlyOwed bool
	mask     mask
	unread   []string // files of the mask

	// mu guards what the steps of a group share: the record, the journal and the
	// scopes.
	mu      sync.Mutex
	rec     state.Record
	journal *journal
	scope   scope
	late    *time.Timer // the next write by show, or nil
	due     bool        // see keep
	goesOn  bool        // the record is between its begin and its end, see show

	asked chan struct{} // closed when the stop reason has come; nil if it is not asked for

	outlived atomic.Bool // a step has waited for the main process's exit

	lines sync.Mutex // held while a line of output is passed on
}

// run runs the hook's steps and records them. An error means that nothing was run; a
// failed step is a Result.
func (r *Runner) run(ctx context.Context, f *Flight, hook *config.Hook, source string, req Request, j *journal) (Result, error) {
	x := r.newRun(hook, source, req, j)
	list := plan(hook)
	x.rec.Steps = records(list, x.before())
	if len(list) > 0 && !list[0].needsReason() && x.skip(&list[0]) == "" {
		x.mark(&list[0])
	}
	remains := x.endRemains(j.previous)
	markerErr := r.clearMarker(hook, j.lock)
	j.begin(&x.rec)
	if err := refused(hook, j.err); err != nil {
		return Result{}, err
	}
	x.shows(true)
	f.begins(x.rec, false)
	r.forget(hook.Name) // the totals of this run include its totals
	if len(list) > 0 {
		r.Options.Observer.Began(x.rec)
	}
	if markerErr != nil && (hook.Marker != "" || j.err == nil) {
		x.scope.keep(state.Failed, markerErr.Error())
		x.scope.halted = !unrecorded(hook)
	}
	if remains != "" {
		x.say("podhook", newTail(), remains, true)
	}
	for _, path := range x.unread {
		x.say("podhook", newTail(), path+" cannot be read, what it holds is not masked", true)
	}
	x.askReason()
	x.steps(ctx, list)
	x.awaitReason()
	x.end(f)
	r.Options.Observer.Ended(x.rec)
	return Result{Record: x.rec}, nil
}

func (r *Runner) newRun(hook *config.Hook, source string, req Request, j *journal) *run {
	x := &run{runner: r, hook: hook, journal: j, environ: req.Environ, onlyOwed: req.onlyOwed}
	x.mask, x.unread = readMask(hook.Mask)
	x.rec = r.begin(hook.Name, req.Trigger)
	x.budget = r.budgetOf(hook, x.rec.Start)
	x.rec.RunID = fmt.Sprintf("%016x", rand.Uint64())
	x.rec.Outcome, x.rec.Deadline = state.Running, x.budget.deadline
	x.rec.PID, x.rec.ConfigSource, x.rec.Totals = os.Getpid(), source, j.previous.Totals
	x.rec.StopReason = r.knownReason(hook, req)
	x.rec.Unclean = keepsUnclean(hook) && r.unclean()
	return x
}

// before returns the record before this run. Its steps are left out after a new start
// of the container: nothing is done yet.
func (x *run) before() state.Record {
	rec := x.journal.previous
	if x.runner.Options.Store != nil && rec.RunID != "" && !x.onlyOwed && (!x.runner.Current(rec) && !x.runner.Options.Store.Current(rec) || x.runner.unknown(rec)) {
		rec.Steps = nil
	}
	return rec
}

// end decides the outcome and writes the record, and then the marker. A success that
// cannot be recorded is reported as a failure.
func (x *run) end(f *Flight) {
	now := x.runner.land(f)
	x.shows(false)
	x.findMain()
	if x.scope.failed != "" {
		x.finish(now, x.scope.failed, x.scope.reason)
		_ = x.journal.write(&x.rec) // it has failed anyway
		return
	}
	before := x.rec.Totals.Clone()
	x.finish(now, state.Succeeded, "")
	if err := x.journal.write(&x.rec); err != nil {
		x.runner.remember(x.rec)
		x.rec.Outcome, x.rec.Reason = state.Failed, successLost(err)
		return
	}
	if err := writeMarker(x.hook, x.journal.lock, &x.rec); err != nil {
		x.rec.Totals = before
		x.finish(now, state.Failed, err.Error())
		_ = x.journal.write(&x.rec) // if that fails, the next caller finds a success without its marker, and fails too
	}
}

func (x *run) finish(now time.Time, outcome state.Outcome, reason string) {
	x.rec.End, x.rec.Outcome, x.rec.Reason = &now, outcome, reason
	x.rec.Totals.AddRun(outcome, now.Sub(x.rec.Start).Seconds(), now)
}

// findMain records a main process that has started since the begin of the run: kubelet
// may call postStart before a process matches name: or exe:. A shutdown is for the main
// process that it began with.
func (x *run) findMain() {
	if x.runner.Options.Main == nil || x.rec.Main != nil || x.hook.Name == config.Shutdown {
		return
	}
	now := x.runner.Options.Main.Identity()
	if other := x.runner.otherContainer(now); other != nil && other.Began <= x.rec.StartTicks {
		x.rec.Main, x.rec.For = now, other
	}
}
