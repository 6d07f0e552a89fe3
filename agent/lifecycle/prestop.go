package lifecycle

import (
	"time"

	"github.com/podhook/podhook/hooks/state"
)

const (
	// signalFollows is how long after the answer of a preStop the stop signal may
	// come. kubelet sends it after 13 ms (deploy/kubernetes/kubelet.md, preStop).
	signalFollows = 2 * time.Second
	// anotherContainers is the age up to which a run that was called over HTTP may be
	// the preStop of another container of the pod: the deletion of the pod signals
	// this one, which has no preStop, at the same time. kubelet's own grace period
	// is never less than 1 s.
	anotherContainers = 900 * time.Millisecond
)

// shutdownState is what is known of shutdown at a moment.
type shutdownState struct {
	found bool
	last  state.Record // its last run, where found
	// called is when a hook's caller asked for it last, by HTTP or exec; zero for never.
	called time.Time
}

// preStop says what a call of shutdown means for a stop.
type preStop struct {
	// counts: it belongs to this stop, whose grace period began with the call.
	counts bool
	began  time.Time
	// overdue: kubelet has stopped waiting for the run, which goes on. It sends the
	// stop signal after the answer, or else when the grace period is used up.
	overdue bool
	// failed: the run has ended without success and is not repeated.
	failed bool
}

// preStopAt judges what is known of shutdown when the stop begins, at the moment
// at: by a stop signal, or by the end of the main process.
func preStopAt(at time.Time, s shutdownState, signalled bool) preStop {
	if !s.found {
		return preStop{}
	}
	// The last call is the one that kubelet may have made: one that it repeats after
	// a restart has the full grace period again.
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
		// An interrupted run has not done its work, for no fault of its own.
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
