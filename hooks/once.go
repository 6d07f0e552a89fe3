package hooks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// lockSlack is how long a joiner waits beyond the hook's timeout. The owner of the run
// needs it to kill what is left and to write the record.
const lockSlack = 15 * time.Second

// NotRecordedError is a hook that was not run because its outcome could not be
// recorded.
type NotRecordedError struct{ Err error }

func (e *NotRecordedError) Error() string {
	text := "the state cannot be written: " + e.Err.Error()
	var place *state.DirError
	var owner *state.OwnerError
	if errors.As(e.Err, &place) || errors.As(e.Err, &owner) {
		return text // which says what to do
	}
	return text + ": mount an emptyDir for podhook and set PODHOOK_STATE_DIR to it"
}

// Unwrap returns the state's error.
func (e *NotRecordedError) Unwrap() error { return e.Err }

// StuckError is a run of another process that did not end within the hook's timeout.
type StuckError struct {
	Hook  string
	After time.Duration
}

func (e *StuckError) Error() string {
	return fmt.Sprintf("hook %s is held by another process for %v, longer than its timeout allows", e.Hook, e.After)
}

// resolve runs the hook once. It takes the hook's lock, which a run of another process
// may hold for a while. Then it returns the outcome of that run, or of an earlier one
// that counts, or runs the hook.
func (r *Runner) resolve(ctx context.Context, f *Flight, hook *config.Hook, source string, req Request) (Result, error) {
	if err := CheckCycle(r.Options.Environ, r.Options.Store, hook.Name); err != nil {
		return Result{}, err
	}
	if r.Options.Store == nil {
		return r.withoutLock(ctx, f, hook, source, req, &NotRecordedError{Err: r.Options.StoreErr})
	}
	lock, before, err := r.lock(ctx, f, hook, req.Joiner)
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
	if before != nil && ranMeanwhile(*before, previous, f.begun.Start) && r.Current(previous) && r.settle(f, *previous.End) {
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

// told returns the outcome of another run. It writes the marker if the process of that
// run was killed before it could.
func (r *Runner) told(hook *config.Hook, lock *state.Lock, result Result) Result {
	if rec := &result.Record; rec.Outcome == state.Succeeded {
		if err := r.repairMarker(hook, lock, rec); err != nil {
			rec.Outcome, rec.Reason = state.Failed, err.Error()
		}
	}
	return result
}

// doubtful reports whether a good record may exist although Read has failed. A broken
// record, or that of another user, is not a good one.
func doubtful(err error) bool {
	var broken *state.RecordError
	var owner *state.OwnerError
	return err != nil && !errors.As(err, &broken) && !errors.As(err, &owner)
}

// withoutLock answers a call without a lock and without a record: by a success that is
// recorded or that this process remembers. Otherwise it runs the hook if the hook runs
// unrecorded.
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

// ranMeanwhile reports whether the run in the record after a wait for the lock went on
// during the wait, or ended after the call, which came just before. The holder of the lock
// may also have run nothing.
func ranMeanwhile(before, after state.Record, called time.Time) bool {
	return after.End != nil && after.Outcome != state.Interrupted &&
		(before.Outcome == state.Running || before.RunID != after.RunID || after.End.After(called))
}

// lock takes the hook's lock. before is the record at the begin of a wait, nil where there
// was none to wait for.
func (r *Runner) lock(ctx context.Context, f *Flight, hook *config.Hook, joiner context.Context) (lock *state.Lock, before *state.Record, err error) {
	h := r.Options.Store.Hook(hook.Name)
	lock, ok, err := h.TryLock()
	if err != nil {
		return nil, nil, &NotRecordedError{Err: err}
	}
	if ok {
		return lock, nil, nil
	}
	rec, _, _ := h.Read() // one that cannot be read is no run to join
	if rec.Outcome == state.Running {
		f.begins(rec, true)
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
		return lock, &rec, nil
	case ctx.Err() != nil:
		return nil, nil, context.Cause(ctx)
	case joiner != nil && joiner.Err() != nil:
		return nil, nil, context.Cause(joiner)
	case wait.Err() != nil:
		return nil, nil, &StuckError{Hook: hook.Name, After: patience}
	}
	return nil, nil, &NotRecordedError{Err: err}
}

// counts reports whether a record answers a call of the hook, so that nothing is run.
func (r *Runner) counts(hook *config.Hook, rec state.Record) bool {
	return rec.Outcome == state.Succeeded && r.Current(rec) && !r.unknown(rec)
}

// Current reports whether a record of this instance is still valid for its hook, by the
// rule of state.Store.Current. A record of shutdown is valid until another main process
// starts: the shutdown of one main process must not leave the next one draining.
func (r *Runner) Current(rec state.Record) bool {
	if rec.Hook == config.Shutdown || r.Options.Store == nil {
		return !r.MainReplaced(rec)
	}
	return r.Options.Store.Current(rec)
}

// unknown reports whether podhook is a sidecar that cannot know if the record and the
// call are about the same start of the other container: there was no main process
// then, and there is none now. To run a hook twice does less harm than not to run it.
func (r *Runner) unknown(rec state.Record) bool {
	return rec.Hook != config.Shutdown && r.Options.Main != nil && rec.Main == nil &&
		r.Options.Store != nil && r.Options.Store.Instance().Alone && r.Options.Main.Identity() == nil
}

// otherContainer returns the start of the main process's container, or nil if that is
// podhook's own container.
func (r *Runner) otherContainer(main *state.MainIdentity) *state.ContainerStart {
	if r.Options.Store == nil || r.Options.OneMain {
		return nil
	}
	return r.Options.Store.OtherContainer(main)
}

// MainReplaced reports whether a main process has started since the run of the record
// began. Under podhook run it is always false: a shutdown that is called before the
// main process starts counts too.
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

// stands reports whether the record answers the call, so that nothing is run. It sets
// onlyOwed in the request if only the steps that the record owes must run.
func (r *Runner) stands(hook *config.Hook, rec state.Record, req *Request) bool {
	if req.Force || !r.counts(hook, rec) {
		return false
	}
	req.onlyOwed = r.podEnds() && owes(rec)
	return !req.onlyOwed
}

// refused returns a *NotRecordedError if the hook is not run because of an error of the
// state.
func refused(hook *config.Hook, wrong error) error {
	if wrong == nil || unrecorded(hook) {
		return nil
	}
	return &NotRecordedError{Err: wrong}
}

// unrecorded reports whether a hook runs even if it cannot be recorded: the work at the
// end of a container cannot be done later.
func unrecorded(hook *config.Hook) bool {
	return hook.Name == config.Shutdown || hook.Name == config.Poststop
}
