package hooks

import "github.com/podhook/podhook/hooks/state"

// remember keeps a success that could not be recorded, so that this process does not
// do the work again. Until it is recorded, callers are told that the hook failed.
func (r *Runner) remember(rec state.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lost[rec.Hook] = rec.Clone()
}

func (r *Runner) remembered(hook string) (state.Record, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rec, ok := r.lost[hook]
	return rec, ok
}

func (r *Runner) forget(hook string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.lost, hook)
}

// recall returns the newest known run: previous, or the success that this process
// remembers. It records the latter if possible; the error says why it cannot.
func (r *Runner) recall(hook string, lock *state.Lock, previous state.Record) (state.Record, error) {
	rec, ok := r.remembered(hook)
	if !ok {
		return previous, nil
	}
	if previous.Start.After(rec.Start) { // another process has run the hook since
		r.forget(rec.Hook)
		return previous, nil
	}
	if err := lock.Write(rec); err != nil {
		return rec, err
	}
	r.forget(rec.Hook)
	return rec, nil
}

// lostAlready is the answer by a success that cannot be recorded.
func lostAlready(rec state.Record, why error) Result {
	rec = rec.Clone()
	rec.Outcome, rec.Reason = state.Failed, successLost(why)
	return Result{Record: rec, Already: true}
}

func successLost(why error) string {
	return "all steps succeeded, but " + (&NotRecordedError{Err: why}).Error()
}
