package hooks

import (
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// unclean reports whether the start of the container before this one, on the same state,
// has ended without a shutdown that succeeded: by the OOM killer, a crash, or the loss of
// its node. A start is known by its run of prestart, so the first one ever is not unclean.
//
// The answer is made from the last records of earlier starts. The first run of prestart or
// shutdown replaces one of them, so its own record, and each later one of this start, has
// the answer.
func (r *Runner) unclean() bool {
	store := r.Options.Store
	if store == nil {
		return false
	}
	began, ended := store.Hook(config.Prestart).Last(), store.Hook(config.Shutdown).Last()
	for _, rec := range []*state.Record{began, ended} {
		if rec != nil && rec.RunID != "" && store.Current(*rec) {
			return rec.Unclean
		}
	}
	return began != nil && !(ended != nil && ended.Outcome == state.Succeeded && ended.Follows(began))
}

// keepsUnclean reports whether the records of a hook have the answer of unclean.
func keepsUnclean(hook *config.Hook) bool {
	return hook.Name == config.Prestart || hook.Name == config.Shutdown
}
