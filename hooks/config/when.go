package config

import (
	"slices"
	"strings"
)

// When says for which runs a step is meant. The zero value is: for all.
type When struct {
	// Triggers are what may have begun the run: exec, http, signal, start. Who
	// joins a run that is going on does not change what began it.
	Triggers []string
	// PodEnds: only where podhook knows that the whole pod ends, and not just a
	// container that is restarted.
	//
	// From inside a container that cannot be told in general: kubelet runs the
	// same preStop and sends the same SIGTERM after a failed liveness probe, and
	// the pod goes on (kubelet.md, "When preStop runs"). An agent that is a
	// container of its own can tell: its own stop signal says that the pod ends,
	// because a restart of another container does not stop it. So the condition
	// holds in `podhook serve` once the agent itself was told to stop; where the hook
	// has succeeded before, the step is run alone then. It never holds in `podhook
	// run` and in exec'd hooks, where the step is skipped and the record says why.
	// What is wrong with it: a failed liveness probe of the agent's own container
	// looks like the pod's end.
	PodEnds bool
}

// triggers are the values of state.Trigger, which this package does not import.
func triggers() []string { return []string{"exec", "http", "signal", "start"} }

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
