package hooks

import (
	"context"
	"slices"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// unit is what is run and recorded as one: a step, or one script of a step.
type unit struct {
	step *config.Step
	name string
	at   int // its place among the records
	argv []string
	err  error // why it cannot be run

	perform performer
}

// work is one step with its units, or a group with its steps.
type work struct {
	step    *config.Step
	units   []unit
	members []work
}

// all are the units, those of a group's steps too.
func (w *work) all() []unit {
	units := w.units
	for i := range w.members {
		units = append(units, w.members[i].units...)
	}
	return units
}

// planner numbers the units in the order of their records.
type planner struct{ next int }

// plan lists the work of a hook in its order. A directory of scripts that changes
// meanwhile changes the next run.
func plan(hook *config.Hook) []work {
	var p planner
	list := make([]work, len(hook.Steps))
	for i, step := range hook.Steps {
		list[i] = p.work(hook, step, "")
	}
	return list
}

func (p *planner) work(hook *config.Hook, step *config.Step, prefix string) work {
	w := work{step: step}
	for _, member := range step.Members() {
		w.members = append(w.members, p.work(hook, member, prefix+step.Name+"/"))
	}
	w.units = unitsOf(hook, step)
	for i := range w.units {
		u := &w.units[i]
		u.step, u.name, u.at = step, prefix+u.name, p.next
		p.next++
	}
	return w
}

// performer does the work of a unit and fills in its outcome.
type performer func(ctx context.Context, a *action)

// unitsOf is the table of all kinds: what a step runs and records one by one, and
// what performs it. A group has no units of its own, see action_parallel.go.
func unitsOf(hook *config.Hook, step *config.Step) []unit {
	switch do := step.Action.(type) {
	case config.Exec:
		return execUnits(step, do)
	case config.Scripts:
		return scriptUnits(step, hook.Scripts(do))
	case config.HTTP:
		return single(step, do, sendRequest)
	case config.Wait:
		return single(step, do, waitFor)
	case config.Signal:
		return single(step, do, sendSignal)
	case config.Sleep:
		return single(step, do, sleep)
	case config.Write:
		return single(step, do, write)
	case config.Remove:
		return single(step, do, remove)
	}
	return nil
}

// single is the unit of a step that is performed as one.
func single[D config.Action](step *config.Step, do D, perform func(context.Context, *action, D)) []unit {
	return []unit{{name: step.Name, perform: func(ctx context.Context, a *action) { perform(ctx, a, do) }}}
}

// records makes the units' records. A step marked once that has succeeded in an
// earlier run of this instance says so from the beginning, so that a crash does
// not lose it.
func records(list []work, previous state.Record) []state.StepRecord {
	var recs []state.StepRecord
	for i := range list {
		for _, u := range list[i].all() {
			rec := state.StepRecord{Name: u.name, Kind: u.step.Action.Kind(), Once: u.step.Once}
			rec.Owed = owes(previous, u.name)
			if u.step.Once {
				rec.DoneIn = doneIn(previous, u.name)
			}
			recs = append(recs, rec)
		}
	}
	return recs
}

// owes says whether a run has left out one of the steps, or any one where none is
// named, for want of knowing that the pod ends.
func owes(previous state.Record, names ...string) bool {
	return slices.ContainsFunc(previous.Steps, func(s state.StepRecord) bool {
		return s.Owed && s.Outcome == state.Skipped && (len(names) == 0 || slices.Contains(names, s.Name))
	})
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
