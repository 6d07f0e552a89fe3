package hooks

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/podhook/podhook/hooks/config"
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
func (r *Runner) run(ctx context.Context, hook *config.Hook, source string, req Request, j *journal) (Result, error) {
	x := r.newRun(hook, source, req, j)
	list := plan(hook)
	x.rec.Steps = records(list, j.previous)
	if len(list) > 0 && x.skip(&list[0]) == "" {
		x.mark(&list[0])
	}
	j.begin(&x.rec)
	if j.err != nil && !unrecorded(hook) {
		return Result{}, &NotRecordedError{Err: j.err}
	}
	if hook.Marker != "" {
		// A marker of an earlier run would let another container go on too soon.
		if err := removeMarker(hook.Marker); err != nil {
			x.fail(state.Failed, fmt.Sprintf("marker: %v", err))
			x.halted = !unrecorded(hook)
		}
	}
	r.Observer.Started(x.rec)
	x.steps(ctx, list)
	x.end()
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

// end settles the outcome, writes the markers and the record. A hook never
// reports a success that it could not record, but shutdown has done its work by
// then all the same.
func (x *run) end() {
	x.rec.Outcome, x.rec.Reason = x.failed, x.reason
	if x.failed == "" {
		x.rec.Outcome = state.Succeeded
		if err := x.writeMarker(); err != nil {
			x.rec.Outcome, x.rec.Reason = state.Failed, fmt.Sprintf("marker: %v", err)
		}
	}
	now := time.Now()
	x.rec.End = &now
	x.rec.Totals.AddRun(x.rec.Outcome, now.Sub(x.rec.Start).Seconds(), now)
	x.journal.end(&x.rec)
	if err := x.journal.err; err != nil && x.rec.Outcome == state.Succeeded {
		x.rec.Outcome = state.Failed
		x.rec.Reason = "all steps succeeded, but the state cannot be written: " + err.Error()
	}
}

func (x *run) writeMarker() error {
	if x.hook.Marker == "" {
		return nil
	}
	text := fmt.Sprintf("%s %s %s\n", x.rec.Hook, x.rec.RunID, time.Now().UTC().Format(time.RFC3339))
	_, err := writeFile(x.hook.Marker, []byte(text), 0o644)
	return err
}
