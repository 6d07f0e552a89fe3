package hooks

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/process"
	"github.com/podhook/podhook/hooks/state"
)

// run is one execution of a hook while it goes on.
type run struct {
	*Runner
	hook *config.Hook
	budget
	environ []string // of the request
	// onlyOwed: the hook has succeeded before, but for steps that it owes.
	onlyOwed bool

	// mu guards what the steps of a group share: the record, its journal and
	// what their failures count for.
	mu      sync.Mutex
	rec     state.Record
	journal *journal
	scope

	lines sync.Mutex // held by whoever writes a line of output
}

// run executes the hook's steps and records them. It returns an error only
// where nothing was run; a failed step is a Result.
func (r *Runner) run(ctx context.Context, f *Flight, hook *config.Hook, source string, req Request, j *journal) (Result, error) {
	x := r.newRun(hook, source, req, j)
	list := plan(hook)
	x.rec.Steps = records(list, j.previous)
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
		x.fail(state.Failed, markerErr.Error())
		x.halted = !unrecorded(hook)
	}
	r.Observer.Started(x.rec)
	if remains != "" {
		x.line("podhook", newTail(), process.Line{Stream: process.Stdout, Text: []byte(remains)})
	}
	x.steps(ctx, list)
	x.end(f)
	r.Observer.Ended(x.rec)
	return Result{Record: x.rec}, nil
}

func (r *Runner) newRun(hook *config.Hook, source string, req Request, j *journal) *run {
	now := time.Now()
	x := &run{Runner: r, hook: hook, journal: j, budget: r.budgetOf(hook, now), environ: req.Environ, onlyOwed: req.onlyOwed}
	x.rec = state.Record{
		RunID:        fmt.Sprintf("%016x", rand.Uint64()),
		Hook:         hook.Name,
		Trigger:      req.Trigger,
		Start:        now,
		Outcome:      state.Running,
		Deadline:     x.deadline,
		PID:          os.Getpid(),
		ConfigSource: source,
		Totals:       j.previous.Totals,
	}
	if r.Store != nil {
		x.rec.Instance = r.Store.Instance().ID
	}
	if r.Main != nil {
		x.rec.Main = r.Main.Identity()
	}
	return x
}

// end settles the outcome and writes the record, and then the marker. A hook never
// reports a success that it could not record, but shutdown has done its work by then
// all the same.
func (x *run) end(f *Flight) {
	now := x.land(f)
	if x.failed != "" {
		x.finish(now, x.failed, x.reason)
		_ = x.journal.end(&x.rec) // it has failed anyway
		return
	}
	before := x.rec.Totals.Clone()
	x.finish(now, state.Succeeded, "")
	if err := x.journal.end(&x.rec); err != nil {
		x.remember(x.rec)
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
