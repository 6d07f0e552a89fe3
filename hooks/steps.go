package hooks

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// unit is what is run and recorded as one: a step, or one script of a step.
type unit struct {
	step *config.Step
	name string
	argv []string
	err  error // why it cannot be run
}

// plan lists the units of a hook in their order. Scripts are listed when the run
// begins, so that a directory that changes meanwhile changes the next run.
func plan(hook *config.Hook) []unit {
	var units []unit
	for _, step := range hook.Steps {
		switch action := step.Action.(type) {
		case config.Scripts:
			units = append(units, scripts(step, action)...)
		case config.Exec:
			units = append(units, unit{step: step, name: step.Name, argv: action.Argv})
		default:
			units = append(units, unit{step: step, name: step.Name})
		}
	}
	return units
}

func scripts(step *config.Step, action config.Scripts) []unit {
	list, _, err := config.ListScripts(action.Dir, action.Match)
	if err != nil {
		return []unit{{step: step, name: step.Name, err: err}}
	}
	units := make([]unit, len(list))
	for i, s := range list {
		units[i] = unit{step: step, name: step.Name + "/" + filepath.Base(s.Path), argv: s.Argv}
	}
	return units
}

// records makes the units' records. A step marked once that has succeeded in an
// earlier run of this instance says so from the beginning, so that a crash does
// not lose it.
func records(units []unit, previous state.Record) []state.StepRecord {
	recs := make([]state.StepRecord, len(units))
	for i, u := range units {
		recs[i] = state.StepRecord{Name: u.name, Kind: u.step.Action.Kind(), Once: u.step.Once}
		if u.step.Once {
			recs[i].DoneIn = doneIn(previous, u.name)
		}
	}
	return recs
}

// doneIn is the run in which the step has succeeded, or nothing.
func doneIn(previous state.Record, name string) string {
	for _, s := range previous.Steps {
		if s.Name == name && s.DoneIn != "" {
			return s.DoneIn
		}
		if s.Name == name && s.Once && s.Outcome == state.Succeeded {
			return previous.RunID
		}
	}
	return ""
}

// startFirst marks the first step as running in the record that begins the run:
// that saves writing the record again at once.
func (x *run) startFirst() {
	if len(x.rec.Steps) > 0 && x.skip(&x.rec.Steps[0]) == "" {
		start(&x.rec.Steps[0])
	}
}

func start(rec *state.StepRecord) {
	now := time.Now()
	rec.Outcome, rec.Start, rec.Attempt = state.Running, &now, 1
}

// steps runs the units in order until one of them halts the run.
func (x *run) steps(ctx context.Context, units []unit) {
	var stepCtx context.Context
	cancel := func() {}
	defer func() { cancel() }()
	var current *config.Step
	for i, u := range units {
		rec := &x.rec.Steps[i]
		if reason := x.skip(rec); reason != "" {
			*rec = state.StepRecord{Name: rec.Name, Kind: rec.Kind, Once: rec.Once, DoneIn: rec.DoneIn, Outcome: state.Skipped, Error: reason}
			x.rec.Totals.AddStep(rec.Name, rec.Outcome, 0)
			continue
		}
		if u.step != current { // the scripts of a directory share their step's timeout
			cancel()
			current = u.step
			stepCtx, cancel = withTimeout(ctx, u.step.Timeout)
		}
		if rec.Outcome != state.Running {
			start(rec)
			x.journal.write(&x.rec)
		}
		x.perform(stepCtx, u, rec)
		end := time.Now()
		rec.End = &end
		x.rec.Totals.AddStep(rec.Name, rec.Outcome, end.Sub(*rec.Start).Seconds())
		boundTails(x.rec.Steps)
		x.judge(ctx, u.step, rec)
	}
}

func withTimeout(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if timeout == 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, timeout)
}

// skip says why a step is not run, or nothing.
func (x *run) skip(rec *state.StepRecord) string {
	switch {
	case rec.DoneIn != "":
		return "once: succeeded in run " + rec.DoneIn
	case x.halted:
		return "an earlier step did not succeed"
	}
	return ""
}

// judge decides what a step's outcome means for the run. The end of the hook's
// own time halts it whatever the step's policy says.
func (x *run) judge(ctx context.Context, step *config.Step, rec *state.StepRecord) {
	if rec.Outcome == state.Succeeded {
		return
	}
	x.fail(rec.Outcome, fmt.Sprintf("step %s: %s", rec.Name, rec.Error))
	if ctx.Err() != nil {
		x.rec.Outcome = ended(ctx)
	}
	if ctx.Err() != nil || step.OnFailure != config.Continue {
		x.halted = true
	}
}

// ended is the outcome of what the end of ctx has stopped.
func ended(ctx context.Context) state.Outcome {
	if ctx.Err() == context.DeadlineExceeded {
		return state.TimedOut
	}
	return state.Interrupted
}
