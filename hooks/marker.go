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

// markerPath is where the hook's marker is: the file that says that the hook has
// succeeded in this instance. It is "" where there is no state to have it in.
func (r *Runner) markerPath(hook *config.Hook) string {
	switch {
	case hook.Marker != "":
		return hook.Marker
	case r.Options.Store != nil:
		return r.Options.Store.Hook(hook.Name).MarkerPath()
	}
	return ""
}

// clearMarker comes before a run: the marker of an earlier one would let another
// container go on too soon.
func (r *Runner) clearMarker(hook *config.Hook) error {
	path := r.markerPath(hook)
	if path == "" {
		return nil
	}
	if err := removeMarker(path); err != nil {
		return fmt.Errorf("marker: %w", err)
	}
	return nil
}

// writeMarker comes after the record of the success, by which the next caller writes
// a marker that is missing: a process may be killed between the two.
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

// repairMarker writes the marker of a success that is recorded, where it is missing.
// One that only the state would have is not worth a failure.
func (r *Runner) repairMarker(hook *config.Hook, lock *state.Lock, rec *state.Record) error {
	if _, err := os.Stat(r.markerPath(hook)); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := writeMarker(hook, lock, rec); err != nil && hook.Marker != "" {
		return err
	}
	return nil
}

// Prepare is called when an instance starts. It removes the markers that an earlier
// instance or a failed run has left: a container that waits for this one's prestart
// would go on too soon. And it keeps space for the hooks that come at the end, when
// the state may be full.
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
		return // a run has the lock, and sees to the marker
	}
	rec, found, err := lock.Read()
	if err != nil || !found || rec.Outcome != state.Succeeded || !r.Current(rec) {
		_ = r.clearMarker(hook) // a run reports it if it cannot be removed
	}
	_ = lock.Unlock() // closing the descriptor cannot fail in a way that keeps the lock
}

// reserve keeps space for a run of the hook. Without it the run is not recorded where
// the state is full.
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

// removeMarker removes the file that the marker's path leads to, where writeFile
// will write it.
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
