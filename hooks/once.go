package hooks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// lockSlack is what a run may take beyond its hook's timeout until a joiner
// gives its owner up: killing what is left and writing the record.
const lockSlack = 15 * time.Second

// NotRecordedError is a hook that was not run because its outcome could not
// have been recorded.
type NotRecordedError struct{ Err error }

func (e *NotRecordedError) Error() string {
	text := "the state cannot be written: " + e.Err.Error()
	var place *state.DirError
	var owner *state.OwnerError
	if errors.As(e.Err, &place) || errors.As(e.Err, &owner) {
		return text // they say what to do
	}
	return text + ": mount an emptyDir for podhook and set PODHOOK_STATE_DIR to it"
}

// Unwrap is the state's error.
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
func (r *Runner) resolve(ctx context.Context, f *Flight, hook *config.Hook, source string, req Request) (Result, error) {
	if err := CheckCycle(r.Options.Environ, r.Options.Store, hook.Name); err != nil {
		return Result{}, err
	}
	if r.Options.Store == nil {
		return r.withoutLock(ctx, f, hook, source, req, &NotRecordedError{Err: r.Options.StoreErr})
	}
	before, _, _ := r.Options.Store.Hook(hook.Name).Read() // one that cannot be read is no run to join
	lock, waited, err := r.lock(ctx, hook, req.Joiner)
	var lost *NotRecordedError
	if errors.As(err, &lost) {
		return r.withoutLock(ctx, f, hook, source, req, lost)
	}
	if err != nil {
		return Result{}, err
	}
	j := &journal{lock: lock}
	defer j.close()
	previous, found, err := lock.Read()
	if doubtful(err) {
		if err := refused(hook, err); err != nil {
			return Result{}, err
		}
	}
	if err != nil || !found {
		previous = state.Record{}
	}
	if waited && ranMeanwhile(before, previous) && r.Current(previous) && r.settle(f, *previous.End) {
		return r.told(hook, lock, Result{Record: previous, Joined: true}), nil
	}
	j.previous, err = r.recall(hook.Name, lock, previous)
	req.Force = r.isForced(f)
	if r.stands(hook, j.previous, &req) && r.settle(f, time.Time{}) {
		if err != nil {
			return lostAlready(j.previous, err), nil
		}
		return r.told(hook, lock, Result{Record: j.previous, Already: true}), nil
	}
	r.reserve(config.Shutdown)
	return r.run(ctx, f, hook, source, req, j)
}

// told is the outcome of another run, whose process may have been killed before it
// wrote the marker.
func (r *Runner) told(hook *config.Hook, lock *state.Lock, result Result) Result {
	if rec := &result.Record; rec.Outcome == state.Succeeded {
		if err := r.repairMarker(hook, lock, rec); err != nil {
			rec.Outcome, rec.Reason = state.Failed, err.Error()
		}
	}
	return result
}

// doubtful says whether a record may be there, and a good one. One that is broken or
// another user's is none.
func doubtful(err error) bool {
	var broken *state.RecordError
	var owner *state.OwnerError
	return err != nil && !errors.As(err, &broken) && !errors.As(err, &owner)
}

// withoutLock answers where the lock cannot be had, nor a record be written: by the
// success that is recorded or that this process remembers. Else it runs what does
// its work all the same.
func (r *Runner) withoutLock(ctx context.Context, f *Flight, hook *config.Hook, source string, req Request, why *NotRecordedError) (Result, error) {
	if r.Options.Store != nil {
		rec, _, err := r.Options.Store.Hook(hook.Name).Read()
		if err == nil && r.counts(hook, rec) && r.settle(f, time.Time{}) {
			return Result{Record: rec, Already: true}, nil
		}
	}
	if err := refused(hook, why.Err); err != nil {
		return Result{}, err
	}
	j := &journal{err: why.Err}
	j.previous, _ = r.remembered(hook.Name)
	if r.counts(hook, j.previous) && r.settle(f, time.Time{}) {
		return lostAlready(j.previous, why.Err), nil
	}
	return r.run(ctx, f, hook, source, req, j)
}

// ranMeanwhile says whether the run in the record after a wait for the lock is one
// that was going on in the wait. The lock may also have been held by somebody who
// ran nothing.
func ranMeanwhile(before, after state.Record) bool {
	return after.End != nil && after.Outcome != state.Interrupted && (before.Outcome == state.Running || before.RunID != after.RunID)
}

func (r *Runner) lock(ctx context.Context, hook *config.Hook, joiner context.Context) (lock *state.Lock, waited bool, err error) {
	h := r.Options.Store.Hook(hook.Name)
	lock, ok, err := h.TryLock()
	if err != nil {
		return nil, false, &NotRecordedError{Err: err}
	}
	if ok {
		return lock, false, nil
	}
	patience := hook.Timeout + hook.LongestKill() + r.slack
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

// counts says whether a record stands for a call of the hook, which then runs
// nothing.
func (r *Runner) counts(hook *config.Hook, rec state.Record) bool {
	return rec.Outcome == state.Succeeded && r.Current(rec) && !r.unknown(rec)
}

// Current says whether a record of this instance still speaks for its hook, by the
// rule of state.Store.Current. For shutdown the process counts and not its
// container: one that drained a main process does not speak for the next one, or
// that would drain for ever (Contour #4851), but it does where none has come since.
func (r *Runner) Current(rec state.Record) bool {
	if rec.Hook == config.Shutdown || r.Options.Store == nil {
		return !r.MainReplaced(rec)
	}
	return r.Options.Store.Current(rec)
}

// unknown: podhook is a sidecar, and whether the record and the call are about the
// same start of the other container cannot be told, because no main process was
// there and none is. To run a hook once more does less harm than never.
func (r *Runner) unknown(rec state.Record) bool {
	return rec.Hook != config.Shutdown && r.Options.Main != nil && rec.Main == nil &&
		r.Options.Store != nil && r.Options.Store.Instance().Alone && r.Options.Main.Identity() == nil
}

// otherContainer is that of a main process, where it is not podhook's own.
func (r *Runner) otherContainer(main *state.MainIdentity) *state.ContainerStart {
	if r.Options.Store == nil || r.Options.OneMain {
		return nil
	}
	return r.Options.Store.OtherContainer(main)
}

// MainReplaced says whether another main process has come since the record's
// run began, or one where there was none. Under podhook run a shutdown may be
// called before the main process is started, and counts all the same.
func (r *Runner) MainReplaced(rec state.Record) bool {
	if r.Options.Main == nil || r.Options.OneMain {
		return false
	}
	now := r.Options.Main.Identity()
	switch {
	case now == nil:
		return false
	case rec.Main == nil:
		return now.StartTime > rec.StartTicks
	}
	return *now != *rec.Main
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
