package config

import "fmt"

// readParallel reads the steps of a group.
func readParallel(d *decoder, v value) Action {
	before := d.found()
	var drafts []*stepDraft
	for _, item := range d.items(v, "a list of steps, such as [{wait: {tcp: \"db:5432\"}}, {wait: {tcp: \"mq:5672\"}}]") {
		draft := d.step(item)
		if _, nested := draft.Action.(Parallel); nested {
			d.add(Problem{Pos: draft.Pos, Field: item.path, Msg: "a group in a group; its steps can be steps of the outer one"})
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
	if d.found() > before {
		return nil
	}
	var p Parallel
	for _, draft := range drafts {
		p.Steps = append(p.Steps, draft.Step)
	}
	return p
}

// Each yields the steps of a hook with those of its groups, and the name by
// which each is recorded: a group's step is called GROUP/STEP.
func (h *Hook) Each(yield func(name string, s *Step) bool) {
	for _, s := range h.Steps {
		group, ok := s.Action.(Parallel)
		if !ok {
			if !yield(s.Name, s) {
				return
			}
			continue
		}
		for _, member := range group.Steps {
			if !yield(fmt.Sprintf("%s/%s", s.Name, member.Name), member) {
				return
			}
		}
	}
}
