package config

import "time"

// Parallel runs its steps at the same time. If a step fails whose OnFailure is
// Fail, the others are stopped.
type Parallel struct{ Steps []*Step }

func (Parallel) Kind() string                 { return "parallel" }
func (Parallel) Does() string                 { return "" }
func (Parallel) WaitsFor() string             { return "" }
func (Parallel) NeedsMain() bool              { return false }
func (Parallel) detail() string               { return "" }
func (Parallel) alwaysTimeout() time.Duration { return alwaysDefault }
func (Parallel) preflight(*Preflight)         {}

func (a Parallel) worst(s *Step) (w WorstStep, bounded bool) {
	w.Name, bounded = s.Name, true
	for _, member := range a.Steps {
		part, ok := member.worst()
		bounded = bounded && ok
		if part.Longest > w.Longest {
			w.Longest, w.Detail = part.Longest, "the longest is "+part.String()
		}
	}
	if s.Timeout > 0 && (!bounded || s.Timeout < w.Longest) {
		return WorstStep{Name: s.Name, Longest: s.Timeout}, true
	}
	return w, bounded
}

// check refuses the fields that a group cannot have.
func (Parallel) check(d *decoder, s *stepDraft, _ string) {
	for _, own := range s.own {
		d.wrong(own, "means nothing for a group; give it to its steps")
	}
}

// Members returns the steps of a group, or nil for another step.
func (s *Step) Members() []*Step {
	group, _ := s.Action.(Parallel)
	return group.Steps
}

// readParallel reads the steps of a group.
func readParallel(d *decoder, v value) Action {
	before := d.found()
	var drafts []*stepDraft
	for _, item := range d.items(v, "a list of steps, such as [{wait: {tcp: \"db:5432\"}}, {wait: {tcp: \"mq:5672\"}}]") {
		draft := d.step(item)
		if draft.step.Members() != nil {
			d.add(Problem{Pos: draft.step.Pos, Field: item.path, Msg: "a group in a group; its steps can be steps of the outer one"})
		}
		for _, given := range draft.outerOnly {
			d.add(Problem{Pos: d.pos(given), Field: given.path, Msg: "means nothing in a group; give it to the group"})
		}
		drafts = append(drafts, draft)
	}
	d.nameSteps(drafts)
	if len(drafts) == 0 && d.found() == before {
		d.add(Problem{Pos: d.pos(v), Field: v.path, Msg: "empty; a group has at least one step"})
	}
	var p Parallel
	for _, draft := range drafts {
		if draft.step.Action != nil && draft.step.Members() == nil {
			p.Steps = append(p.Steps, draft.step)
		}
	}
	if len(p.Steps) == 0 {
		return nil
	}
	return p // without the members that are broken, see Inspect
}

// Each yields the steps of a hook, and the members of a group instead of the group.
// name is the name of the step in a record; that of a member is GROUP/STEP.
func (h *Hook) Each(yield func(name string, s *Step) bool) {
	for _, s := range h.Steps {
		members := s.Members()
		if members == nil && !yield(s.Name, s) {
			return
		}
		for _, member := range members {
			if !yield(s.Name+"/"+member.Name, member) {
				return
			}
		}
	}
}
