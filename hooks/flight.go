package hooks

import (
	"context"
	"time"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// Flight is a call that is going on.
type Flight struct {
	cancel context.CancelCauseFunc
	done   chan struct{}
	result Result
	err    error
	// begun is when, by what and for which start of the container it was called.
	begun state.Record

	// The Runner's lock guards these. forced is when the newest forced call joined,
	// zero for none; landed: what it comes to is settled, and is no answer to a forced
	// call that comes now.
	forced time.Time
	landed bool
}

// Wait returns the outcome, or the error of ctx: a caller that goes away does
// not stop the run (design: joinable).
func (f *Flight) Wait(ctx context.Context) (Result, error) {
	select {
	case <-f.done:
		return f.result, f.err
	case <-ctx.Done():
		return Result{}, context.Cause(ctx)
	}
}

// fly resolves the call when the one before it, which has landed, is over.
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

// settle makes an outcome that is there the flight's, that of a run which ended at
// end. It returns false where a forced call that has joined wants a newer one.
func (r *Runner) settle(f *Flight, end time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	f.landed = !f.forced.After(end)
	return f.landed
}

// isForced says whether a forced call has begun the flight or joined it.
func (r *Runner) isForced(f *Flight) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !f.forced.IsZero()
}

// land settles the flight with the run of its own that ends now.
func (r *Runner) land(f *Flight) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	f.landed = true
	return time.Now()
}
