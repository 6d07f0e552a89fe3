package lifecycle

import (
	"time"

	"github.com/podhook/podhook/hooks/state"
)

const (
	// signalFollows bounds the time between the answer of a preStop and the stop signal.
	// kubelet takes 13 ms (deploy/kubernetes/kubelet.md, preStop).
	signalFollows = 2 * time.Second
	// anotherContainers is the age up to which a run that was called over HTTP can be the
	// preStop of another container of the pod. This container, which has no preStop, then
	// gets its stop signal at the same time. An older run is the preStop of this
	// container: the grace period of kubelet is at least 1 s.
	anotherContainers = 900 * time.Millisecond
)

// shutdownState is what is known about shutdown at one moment.
type shutdownState struct {
	found bool
	last  state.Record // the last run, if found
	// called is the time of the last call by HTTP or exec, or zero.
	called time.Time
}

// preStop says what a call of shutdown means for a stop.
type preStop struct {
	// counts says that the call belongs to this stop. The grace period began with it.
	counts bool
	began  time.Time
	// overdue says that kubelet no longer waits for the run, which goes on: it sends the
	// stop signal after the answer, or when the grace period is used up.
	overdue bool
	// failed says that the run has failed and is not repeated.
	failed bool
}

// preStopAt judges what is known about shutdown when the stop begins, by a stop signal
// or by the end of the main process.
func preStopAt(at time.Time, s shutdownState, signalled bool) preStop {
	if !s.found {
		return preStop{}
	}
	// A call that kubelet repeats after its own restart has the full grace period again.
	began := later(s.last.Start, s.called)
	answered := s.called
	if s.last.End != nil {
		answered = later(answered, *s.last.End)
	}
	goesOn := s.last.Outcome == state.Running
	if !goesOn && at.Sub(answered).Abs() > signalFollows {
		return preStop{}
	}
	p := preStop{counts: true, began: earlier(began, at)}
	age := at.Sub(s.last.Start)
	switch {
	case !goesOn:
		// An interrupted run has not failed by itself, so it is repeated.
		p.failed = s.last.Outcome == state.Failed || s.last.Outcome == state.TimedOut
	case !signalled:
	case s.last.Trigger == state.TriggerExec:
		p.overdue = age > 0
	case s.last.Trigger == state.TriggerHTTP:
		p.overdue = age >= anotherContainers
	}
	return p
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
