package hooks

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/hooks/userfile"
)

// markerPath returns the path of the hook's marker: the file that exists if the hook
// has succeeded in this instance. It is "" if there is no state and no marker field.
func (r *Runner) markerPath(hook *config.Hook) string {
	switch {
	case hook.Marker != "":
		return hook.Marker
	case r.Options.Store != nil:
		return r.Options.Store.Hook(hook.Name).MarkerPath()
	}
	return ""
}

// clearMarker removes the marker before a run. A container that waits for the marker
// of an earlier run would go on too soon.
func (r *Runner) clearMarker(hook *config.Hook, lock *state.Lock) error {
	var err error
	switch path := r.markerPath(hook); {
	case hook.Marker == "" && lock != nil:
		err = lock.HideMarker()
	case path != "":
		err = removeMarker(path)
	}
	if err != nil {
		return fmt.Errorf("marker: %w", err)
	}
	return nil
}

// writeMarker writes the marker after the record of the success. If podhook is killed
// between the two, the next caller writes the marker.
func writeMarker(hook *config.Hook, lock *state.Lock, rec *state.Record) error {
	text := fmt.Appendf(nil, "%s %s %s\n", rec.Hook, rec.RunID, time.Now().UTC().Format(time.RFC3339))
	var err error
	switch {
	case hook.Marker != "":
		_, err = writeFile(hook.Marker, text, 0o644)
	case lock != nil:
		err = lock.WriteMarker(text)
	}
	if err != nil {
		return fmt.Errorf("marker: %w", err)
	}
	return nil
}

// repairMarker writes a missing marker of a success that is recorded. Only a marker
// with a path of its own is worth an error.
func (r *Runner) repairMarker(hook *config.Hook, lock *state.Lock, rec *state.Record) error {
	if _, err := os.Stat(r.markerPath(hook)); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := writeMarker(hook, lock, rec); err != nil && hook.Marker != "" {
		return err
	}
	return nil
}

// Prepare is for the start of an instance. It removes the markers of an earlier
// instance and of failed runs, because a container that waits for prestart would go on
// too soon. It reserves space in the state for the hooks that run at the end, when the
// state may be full.
func (r *Runner) Prepare(cfg *config.Config) {
	if r.Options.Store == nil {
		return
	}
	for _, hook := range cfg.Hooks {
		if _, err := os.Stat(r.markerPath(hook)); err == nil {
			r.settleMarker(hook)
		}
		if unrecorded(hook) {
			r.reserve(hook.Name)
		}
	}
}

func (r *Runner) settleMarker(hook *config.Hook) {
	lock, ok, err := r.Options.Store.Hook(hook.Name).TryLock()
	if err != nil || !ok {
		return // a run holds the lock and takes care of the marker
	}
	rec, found, err := lock.Read()
	if err != nil || !found || rec.Outcome != state.Succeeded || !r.Current(rec) {
		_ = r.clearMarker(hook, lock) // the next run reports the error
	}
	_ = lock.Unlock() // closing the descriptor cannot fail in a way that keeps the lock
}

// reserve keeps space in the state for a run of the hook. Without it, a run is not
// recorded if the state is full.
func (r *Runner) reserve(name string) {
	h := r.Options.Store.Hook(name)
	if h.Reserved() {
		return
	}
	if lock, ok, err := h.TryLock(); err == nil && ok {
		_ = lock.Reserve()
		_ = lock.Unlock()
	}
}

// removeMarker removes the file that writeFile would write for this path.
func removeMarker(path string) error {
	at, err := userfile.Target(path)
	if err == nil {
		err = explainBusy(os.Remove(at))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
