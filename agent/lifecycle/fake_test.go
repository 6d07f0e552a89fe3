package lifecycle

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// fakeHooks plays hooks. A called hook takes its time and then has its outcome.
type fakeHooks struct {
	bench *bench
	takes map[string]time.Duration

	mu        sync.Mutex
	outcomes  map[string]state.Outcome // succeeded where not set
	runs      map[string]*fakeRun      // what goes on
	calledOff map[string]bool
	grace     time.Time
	known     shutdownState
	unseen    bool          // a call is found by the stop signal, not by looking for it
	looks     int           // for a call
	others    chan struct{} // closed when the shutdown that somebody else has called ends
}

// fakeRun is a call in progress. Its interruption closes cut, its end closes end.
type fakeRun struct{ cut, end chan struct{} }

func (f *fakeHooks) open()                                {}
func (f *fakeHooks) hasSteps(string) bool                 { return true }
func (f *fakeHooks) ended(rec state.Record)               { f.bench.note(rec.Hook + " " + string(rec.Outcome)) }
func (f *fakeHooks) saveMain(state.MainIdentity)          {}
func (f *fakeHooks) awaitCallers(context.Context, string) {}

func (f *fakeHooks) shutdown() shutdownState {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.known
}

func (f *fakeHooks) shutdownCalled() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.looks++
	return f.known.found && !f.unseen
}

func (f *fakeHooks) beginGrace(at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.grace.IsZero() {
		f.grace = at
	}
}

func (f *fakeHooks) awaitShutdown(ctx context.Context) {
	f.mu.Lock()
	others := f.others
	f.mu.Unlock()
	if others == nil {
		return
	}
	select {
	case <-others:
	case <-ctx.Done():
	}
}

func (f *fakeHooks) call(ctx context.Context, hook string, _ hooks.Request) (hooks.Result, error) {
	run, joined, already := f.begin(hook)
	if already {
		return hooks.Result{Already: true, Record: state.Record{Outcome: state.Succeeded}}, nil
	}
	var takes <-chan time.Time
	if joined == nil {
		takes = time.After(f.takes[hook])
	}
	select {
	case <-joined:
		f.end(hook)
	case <-takes:
		f.end(hook)
	case <-run.end:
	case <-run.cut:
		return hooks.Result{Record: state.Record{Hook: hook, Outcome: state.Interrupted}}, nil
	case <-ctx.Done():
		return hooks.Result{}, ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return hooks.Result{Record: state.Record{Hook: hook, Outcome: cmp.Or(f.outcomes[hook], state.Succeeded)}}, nil
}

func (f *fakeHooks) begin(hook string) (run *fakeRun, joined chan struct{}, already bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	run = &fakeRun{cut: make(chan struct{}), end: make(chan struct{})}
	if hook == config.Shutdown {
		joined, already = f.others, f.known.last.Outcome == state.Succeeded
	}
	switch {
	case already:
		return nil, nil, true
	case joined != nil:
		f.bench.note("shutdown joined")
	default:
		f.bench.note(hook)
	}
	f.runs[hook] = run
	if f.calledOff[hook] {
		f.interrupt(hook)
	}
	return run, joined, false
}

func (f *fakeHooks) callOff(hook string, _ error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calledOff[hook] = true
	f.interrupt(hook)
}

func (f *fakeHooks) interruptAllBut(string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.interrupt(config.Prestart)
}

// interrupt cuts the runs in progress. The caller holds the lock.
func (f *fakeHooks) interrupt(hook string) {
	if run := f.runs[hook]; run != nil {
		f.bench.note(hook + " interrupted")
		close(run.cut)
		delete(f.runs, hook)
	}
}

// end ends the run in progress.
func (f *fakeHooks) end(hook string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if run := f.runs[hook]; run != nil {
		close(run.end)
		delete(f.runs, hook)
	}
}

func (f *fakeHooks) fails(hook string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.outcomes[hook] = state.Failed
}

// calls is a call of shutdown by somebody else this long ago, where none goes on. One
// that has just come can be seen.
func (f *fakeHooks) calls(trigger state.Trigger, ago time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.others != nil {
		return
	}
	at := time.Now().Add(-ago)
	f.unseen, f.others = ago != 0, make(chan struct{})
	f.known = shutdownState{found: true, called: at, last: state.Record{Trigger: trigger, Start: at, Outcome: state.Running}}
}

// answered ends what calls has begun, this long ago.
func (f *fakeHooks) answered(outcome state.Outcome, ago time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.others != nil {
		at := time.Now().Add(-ago)
		f.known.last.Outcome, f.known.last.End = outcome, &at
		close(f.others)
		f.others = nil
	}
}
