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
	"github.com/podhook/podhook/hooks/process"
	"github.com/podhook/podhook/hooks/state"
)

// run is one execution of a hook while it goes on.
type run struct {
	runner  *Runner
	hook    *config.Hook
	budget  budget
	environ []string // of the request
	// onlyOwed: the hook has succeeded before, but for steps that it owes.
	onlyOwed bool

	// mu guards what the steps of a group share: the record, its journal and
	// what their failures count for.
	mu      sync.Mutex
	rec     state.Record
	journal *journal
	scope   scope

	outlived atomic.Bool // the exit of the main process was waited for

	lines sync.Mutex // held by whoever writes a line of output
}

// run executes the hook's steps and records them. It returns an error only
// where nothing was run; a failed step is a Result.
func (r *Runner) run(ctx context.Context, f *Flight, hook *config.Hook, source string, req Request, j *journal) (Result, error) {
	x := r.newRun(hook, source, req, j)
	list := plan(hook)
	x.rec.Steps = records(list, x.before())
	if len(list) > 0 && x.skip(&list[0]) == "" {
		x.mark(&list[0])
	}
	remains := x.endRemains(j.previous)
	markerErr := r.clearMarker(hook)
	j.begin(&x.rec)
	if err := refused(hook, j.err); err != nil {
		return Result{}, err
	}
	r.forget(hook.Name) // its totals are in this run's
	if markerErr != nil && (hook.Marker != "" || j.err == nil) {
		x.scope.keep(state.Failed, markerErr.Error())
		x.scope.halted = !unrecorded(hook)
	}
	if remains != "" {
		x.line("podhook", newTail(), process.Line{Stream: process.Stdout, Text: []byte(remains)})
	}
	x.steps(ctx, list)
	x.end(f)
	r.Options.Observer.Ended(x.rec)
	return Result{Record: x.rec}, nil
}

func (r *Runner) newRun(hook *config.Hook, source string, req Request, j *journal) *run {
	x := &run{runner: r, hook: hook, journal: j, environ: req.Environ, onlyOwed: req.onlyOwed}
	x.rec = r.begin(hook.Name, req.Trigger)
	x.budget = r.budgetOf(hook, x.rec.Start)
	x.rec.RunID = fmt.Sprintf("%016x", rand.Uint64())
	x.rec.Outcome, x.rec.Deadline = state.Running, x.budget.deadline
	x.rec.PID, x.rec.ConfigSource, x.rec.Totals = os.Getpid(), source, j.previous.Totals
	return x
}

// before is the record before this run, as far as its steps count on: with a new
// start of the container nothing is done yet.
func (x *run) before() state.Record {
	rec := x.journal.previous
	if x.runner.Options.Store != nil && rec.RunID != "" && !x.onlyOwed && (!x.runner.Current(rec) && !x.runner.Options.Store.Current(rec) || x.runner.unknown(rec)) {
		rec.Steps = nil
	}
	return rec
}

// end settles the outcome and writes the record, and then the marker. A hook never
// reports a success that it could not record, but shutdown has done its work by then
// all the same.
func (x *run) end(f *Flight) {
	now := x.runner.land(f)
	x.findMain()
	if x.scope.failed != "" {
		x.finish(now, x.scope.failed, x.scope.reason)
		_ = x.journal.end(&x.rec) // it has failed anyway
		return
	}
	before := x.rec.Totals.Clone()
	x.finish(now, state.Succeeded, "")
	if err := x.journal.end(&x.rec); err != nil {
		x.runner.remember(x.rec)
		x.rec.Outcome, x.rec.Reason = state.Failed, successLost(err)
		return
	}
	if err := writeMarker(x.hook, x.journal.lock, &x.rec); err != nil {
		x.rec.Totals = before
		x.finish(now, state.Failed, err.Error())
		_ = x.journal.end(&x.rec) // if not, the next caller finds a success without its marker, and fails at that
	}
}

func (x *run) finish(now time.Time, outcome state.Outcome, reason string) {
	x.rec.End, x.rec.Outcome, x.rec.Reason = &now, outcome, reason
	x.rec.Totals.AddRun(outcome, now.Sub(x.rec.Start).Seconds(), now)
}

// findMain notes the container of a main process that has come since the begin:
// kubelet's postStart may be called before a name: or an exe: is there. A shutdown
// is for the main process that was there.
func (x *run) findMain() {
	if x.runner.Options.Main == nil || x.rec.Main != nil || x.hook.Name == config.Shutdown {
		return
	}
	now := x.runner.Options.Main.Identity()
	if other := x.runner.otherContainer(now); other != nil && other.Began <= x.rec.StartTicks {
		x.rec.Main, x.rec.For = now, other
	}
}
