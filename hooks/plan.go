package hooks

import (
	"context"
	"slices"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// unit is what is performed and recorded as one: a step, or one script of a step.
type unit struct {
	step *config.Step
	name string
	at   int // index of its record
	argv []string
	err  error // why it cannot be run

	perform performer
}

// work is a step with its units, or a group with its members.
type work struct {
	step    *config.Step
	units   []unit
	members []work
}

// all returns the units, including those of a group's members.
func (w *work) all() []unit {
	units := w.units
	for i := range w.members {
		units = append(units, w.members[i].units...)
	}
	return units
}

// planner gives each unit the index of its record.
type planner struct{ next int }

// plan lists the work of a hook in order. It is made once: a directory of scripts that
// changes during the run changes the next run.
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

// performer makes one attempt of a unit and fills in its outcome.
type performer func(ctx context.Context, a *action)

// unitsOf is the table of all kinds. It returns the units of a step, each with its
// performer. A group has none: its members have, see action_parallel.go.
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

// single returns the unit of a step that is performed as a whole.
func single[D config.Action](step *config.Step, do D, perform func(context.Context, *action, D)) []unit {
	return []unit{{name: step.Name, perform: func(ctx context.Context, a *action) { perform(ctx, a, do) }}}
}

// records makes the records of the units. DoneIn of a once step is set from the begin
// of the run, so that a crash does not lose it.
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

// owes reports whether a run has skipped one of the named steps, or any step if none is
// named, because it did not know that the pod ends.
func owes(previous state.Record, names ...string) bool {
	return slices.ContainsFunc(previous.Steps, func(s state.StepRecord) bool {
		return s.Owed && s.Outcome == state.Skipped && (len(names) == 0 || slices.Contains(names, s.Name))
	})
}

// doneIn returns the id of the run in which the step has succeeded, or "".
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
