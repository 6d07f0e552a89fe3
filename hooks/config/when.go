package config

import (
	"slices"
	"strings"
)

// When says in which runs a step runs. The zero value means in all.
type When struct {
	// Triggers lists what may have begun the run: exec, http, signal, start or watch. A caller
	// that joins a run does not change its trigger.
	Triggers []string
	// PodEnds runs the step only if podhook knows that the whole pod ends, and not only
	// that a container restarts.
	//
	// In general a container cannot know: after a failed liveness probe kubelet runs the
	// same preStop and sends the same SIGTERM, and the pod goes on
	// (deploy/kubernetes/kubelet.md). An agent in a container of its own can know: the
	// restart of another container does not stop it, so its own stop signal means that
	// the pod ends. So the condition holds in `podhook serve` after its stop signal. If
	// the hook has succeeded before that, the step then runs alone. In `podhook run` and
	// in exec'd hooks the step is skipped, and the record says why. A failed liveness
	// probe of the agent's own container is mistaken for the end of the pod.
	PodEnds bool
}

// triggers lists the values of state.Trigger, which this package does not import.
func triggers() []string { return []string{"exec", "http", "signal", "start", "watch"} }

func (d *decoder) when(v value) (w When) {
	before := d.found()
	d.fields(v, "a mapping such as {trigger: [signal]} or {podEnds: true}", []field{
		{"trigger", func(v value) {
			allowed := "a list of " + strings.Join(triggers(), ", ")
			for _, item := range d.items(v, allowed) {
				text, ok := d.text(item, allowed)
				if ok && !slices.Contains(triggers(), text) {
					d.refuse(item, "one of %s", strings.Join(triggers(), ", "))
				}
				w.Triggers = append(w.Triggers, text)
			}
		}},
		{"podEnds", func(v value) {
			if w.PodEnds = d.boolean(v); !w.PodEnds {
				d.refuse(v, "true; a step without it runs whether the pod ends or not")
			}
		}},
	})
	if len(w.Triggers) == 0 && !w.PodEnds && d.found() == before {
		d.wrong(v, "says nothing; trigger or podEnds is needed")
	}
	return w
}
