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
	// the hook has succeeded before that, the step then runs alone. A failed liveness
	// probe of the agent's own container is mistaken for the end of the pod. In `podhook
	// run` and in exec'd hooks the condition holds with a stop reason that ends the pod, and
	// otherwise the step is skipped, and the record says why.
	PodEnds bool
	// Reasons lists the stop reasons with which a step of shutdown or poststop runs.
	Reasons []string
	// Unclean runs the step of prestart only if the start of the container before this one,
	// on the same state, has ended without a shutdown that succeeded.
	Unclean bool
}

// triggers lists the values of state.Trigger, which this package does not import.
func triggers() []string { return []string{"exec", "http", "signal", "start", "watch"} }

// stopReasons lists the values of state.StopReason.
func stopReasons() []string {
	return []string{"deleted", "liveness", "evicted", "preempted", "node-shutdown", "deadline", "completed", "main-exited", "unknown"}
}

func (d *decoder) when(v value) (w When) {
	before := d.found()
	d.fields(v, "a mapping such as {trigger: [signal]} or {podEnds: true}", []field{
		{"trigger", func(v value) { w.Triggers = d.someOf(v, triggers()) }},
		{"reason", func(v value) {
			if w.Reasons = d.someOf(v, stopReasons()); !inHooks(v, Shutdown, Poststop) {
				d.wrong(v, "means nothing outside of shutdown and poststop; only these have a stop reason")
			}
		}},
		{"podEnds", func(v value) {
			if w.PodEnds = d.boolean(v); !w.PodEnds {
				d.refuse(v, "true; a step without it runs whether the pod ends or not")
			}
		}},
		{"unclean", func(v value) {
			if w.Unclean = d.boolean(v); !w.Unclean {
				d.refuse(v, "true; a step without it runs however the start before has ended")
			} else if !inHooks(v, Prestart) {
				d.wrong(v, "means nothing outside of prestart; it is about the start of the container before this one")
			}
		}},
	})
	if len(w.Triggers) == 0 && len(w.Reasons) == 0 && !w.PodEnds && !w.Unclean && d.found() == before {
		d.wrong(v, "says nothing; trigger, reason, podEnds or unclean is needed")
	}
	return w
}

// someOf reads a list of words.
func (d *decoder) someOf(v value, words []string) (list []string) {
	allowed := strings.Join(words, ", ")
	for _, item := range d.items(v, "a list of "+allowed) {
		text, ok := d.text(item, "a list of "+allowed)
		if ok && !slices.Contains(words, text) {
			d.refuse(item, "one of %s", allowed)
		}
		list = append(list, text)
	}
	return list
}

// inHooks reports whether a value is in one of these hooks.
func inHooks(v value, names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(v.path, "hooks."+name+".") })
}
