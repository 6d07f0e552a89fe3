package hooks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/procstat"
	"github.com/podhook/podhook/hooks/state"
)

// lockSlack is what a run may take beyond its hook's timeout until a joiner
// gives its owner up: killing what is left and writing the record.
const lockSlack = 15 * time.Second

// NotRecordedError is a hook that was not run because its outcome could not
// have been recorded.
type NotRecordedError struct{ Err error }

func (e *NotRecordedError) Error() string { return "the state cannot be written: " + e.Err.Error() }
func (e *NotRecordedError) Unwrap() error { return e.Err }

// StuckError is a joined run whose owner neither ended it nor died.
type StuckError struct {
	Hook  string
	After time.Duration
}

func (e *StuckError) Error() string {
	return fmt.Sprintf("hook %s is held by another process for %v, longer than its timeout allows", e.Hook, e.After)
}

// resolve makes sure that the hook is run once: it takes the hook's lock,
// waiting for the run that holds it, and then runs the hook or returns the
// outcome that is there.
func (r *Runner) resolve(ctx context.Context, hook *config.Hook, source string, req Request) (Result, error) {
	if err := CheckCycle(r.Environ, r.Store, hook.Name); err != nil {
		return Result{}, err
	}
	if r.Store == nil {
		if err := refused(hook, r.StoreErr); err != nil {
			return Result{}, err
		}
		return r.run(ctx, hook, source, req, &journal{err: r.StoreErr})
	}
	before, _, _ := r.Store.Hook(hook.Name).Read() // one that cannot be read is no run to join
	lock, waited, err := r.lock(ctx, hook, req.Joiner)
	if err != nil {
		// What cannot be locked because nothing can be written may still be read.
		if !waited && !req.Force && r.counts(hook, before) {
			return Result{Record: before, Already: true}, nil
		}
		var lost *NotRecordedError
		if !errors.As(err, &lost) || ctx.Err() != nil || !unrecorded(hook) {
			return Result{}, err
		}
		return r.run(ctx, hook, source, req, &journal{err: err})
	}
	j := &journal{lock: lock}
	defer j.close()
	previous, found, err := lock.Read()
	if err == nil && found {
		if waited && ranMeanwhile(before, previous) {
			return Result{Record: previous, Joined: true}, nil
		}
		if r.stands(hook, previous, &req) {
			return Result{Record: previous, Already: true}, nil
		}
		j.previous = previous
	}
	return r.run(ctx, hook, source, req, j)
}

// ranMeanwhile says whether the run in the record after a wait for the lock is one
// that was going on in the wait. The lock may also have been held by somebody who
// ran nothing.
func ranMeanwhile(before, after state.Record) bool {
	return after.Outcome != state.Interrupted && (before.Outcome == state.Running || before.RunID != after.RunID)
}

func (r *Runner) lock(ctx context.Context, hook *config.Hook, joiner context.Context) (lock *state.Lock, waited bool, err error) {
	h := r.Store.Hook(hook.Name)
	lock, ok, err := h.TryLock()
	if err != nil {
		return nil, false, &NotRecordedError{Err: err}
	}
	if ok {
		return lock, false, nil
	}
	patience := hook.Timeout + hook.LongestKill() + lockSlack
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if joiner != nil {
		defer context.AfterFunc(joiner, cancel)()
	}
	lock, err = h.Lock(wait)
	switch {
	case err == nil:
		return lock, true, nil
	case ctx.Err() != nil:
		return nil, true, context.Cause(ctx)
	case joiner != nil && joiner.Err() != nil:
		return nil, true, context.Cause(joiner)
	case wait.Err() != nil:
		return nil, true, &StuckError{Hook: hook.Name, After: patience}
	}
	return nil, true, &NotRecordedError{Err: err}
}

// counts says whether a record of this instance still stands for the hook. A
// shutdown that drained a main process does not count for the next one: in a
// sidecar the main container restarts while this instance goes on (Contour
// #4851: draining for ever).
func (r *Runner) counts(hook *config.Hook, rec state.Record) bool {
	if rec.Outcome != state.Succeeded {
		return false
	}
	return hook.Name != config.Shutdown || !r.MainReplaced(rec)
}

// MainReplaced says whether another main process has come since the record's
// run began, or one where there was none. Under podhook run a shutdown may be
// called before the main process is started, and counts all the same.
func (r *Runner) MainReplaced(rec state.Record) bool {
	if r.Main == nil || r.OneMain {
		return false
	}
	now := r.Main.Identity()
	switch {
	case now == nil:
		return false
	case rec.Main == nil:
		return procstat.Started(now.StartTime).After(rec.Start)
	}
	return *now != *rec.Main
}

// RemoveStaleMarkers removes the markers that an earlier instance has left where
// others look for them: a container that waits for this one's prestart would go
// on too soon. It is called when an instance starts.
func (r *Runner) RemoveStaleMarkers(cfg *config.Config) {
	for name, hook := range cfg.Hooks {
		if hook.Marker == "" || r.Store == nil {
			continue
		}
		rec, found, err := r.Store.Hook(name).Read()
		if err == nil && found && (rec.Outcome == state.Succeeded || rec.Outcome == state.Running) {
			continue
		}
		_ = removeMarker(hook.Marker) // a run reports it if it cannot be removed
	}
}

// stands says whether the record of this instance answers a call, so that nothing is
// run. Where only the steps that it owes are run, the request says so then.
func (r *Runner) stands(hook *config.Hook, rec state.Record, req *Request) bool {
	if req.Force || !r.counts(hook, rec) {
		return false
	}
	req.onlyOwed = r.podEnds() && owes(rec)
	return !req.onlyOwed
}

// refused is a *NotRecordedError where a hook is not run because of what is wrong
// with the state.
func refused(hook *config.Hook, wrong error) error {
	if wrong == nil || unrecorded(hook) {
		return nil
	}
	return &NotRecordedError{Err: wrong}
}

// unrecorded says whether a hook does its work even where that cannot be written
// down: what comes at the end of a container cannot be made up for later.
func unrecorded(hook *config.Hook) bool {
	return hook.Name == config.Shutdown || hook.Name == config.Poststop
}
