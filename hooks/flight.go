package hooks

import (
	"context"
	"time"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// Flight is a call that goes on, and the callers that wait for it. Its methods may be
// called from any goroutine.
type Flight struct {
	cancel context.CancelCauseFunc
	done   chan struct{}
	result Result
	err    error
	// begun says when, by what and for which start of the container it was called.
	begun state.Record

	// The Runner's lock guards these. forced is when the newest forced call joined, or
	// zero. landed is true when the outcome is decided: it does not answer a forced
	// call that comes later.
	forced time.Time
	landed bool

	// known is closed when running is set: the call has begun a run, or waits for that of
	// another process.
	known   chan struct{}
	running Result
}

// Progress returns what the call does as soon as that is known: the outcome, as from
// Wait, or a Result with the outcome state.Running and the id of the run. It returns the
// cause of ctx if ctx ends first.
func (f *Flight) Progress(ctx context.Context) (Result, error) {
	select {
	case <-f.known:
		return f.running, nil
	case <-f.done:
	case <-ctx.Done():
	}
	return f.Wait(ctx)
}

// begins says which run the flight waits for. Only the goroutine of the flight calls it.
func (f *Flight) begins(rec state.Record, joined bool) {
	select {
	case <-f.known: // the run that it waited for was not the last one
	default:
		f.running = Result{Record: rec, Joined: joined}
		f.running.Record.Steps = nil // the run changes them
		close(f.known)
	}
}

// Wait returns the outcome of the call, or the cause of ctx if ctx ends first. The run
// goes on without a caller. Other errors mean that nothing was run; see Runner.Call.
func (f *Flight) Wait(ctx context.Context) (Result, error) {
	select {
	case <-f.done:
		return f.result, f.err
	case <-ctx.Done():
		return Result{}, context.Cause(ctx)
	}
}

// fly resolves the call after the flight before it, if any, has ended.
func (r *Runner) fly(ctx context.Context, f, before *Flight, hook *config.Hook, source string, req Request) {
	defer f.cancel(nil)
	if before != nil {
		<-before.done
	}
	f.result, f.err = r.resolve(ctx, f, hook, source, req)
	r.mu.Lock()
	if r.flights[hook.Name] == f {
		delete(r.flights, hook.Name)
	}
	r.mu.Unlock()
	close(f.done)
}

// settle decides that the outcome of a run which ended at end is the flight's. It
// returns false if a forced call has joined since and wants a newer run.
func (r *Runner) settle(f *Flight, end time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	f.landed = !f.forced.After(end)
	return f.landed
}

// isForced reports whether a forced call has begun the flight or joined it.
func (r *Runner) isForced(f *Flight) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !f.forced.IsZero()
}

// land decides that the flight's own run, which ends now, is its outcome.
func (r *Runner) land(f *Flight) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	f.landed = true
	return time.Now()
}
