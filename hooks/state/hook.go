package state

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Hook is the state of one hook. It may be used by any number of goroutines.
type Hook struct {
	store *Store
	name  string
	dir   string
	bad   error // what is wrong with the name

	// waiting is held by the only goroutine that waits in flock, so that many callers of
	// Lock block one thread.
	waiting chan struct{}

	mu     sync.Mutex
	cached *cachedRecord
}

func newHook(s *Store, name string) *Hook {
	return &Hook{
		store:   s,
		name:    name,
		dir:     filepath.Join(s.dir, "hooks", name),
		waiting: make(chan struct{}, 1),
	}
}

// Name returns the hook's name.
func (h *Hook) Name() string { return h.name }

const markerName = "marker"

// MarkerPath returns the path of the hook's marker, unless another one is configured.
func (h *Hook) MarkerPath() string { return filepath.Join(h.dir, markerName) }

// Read returns the record of the last run in this instance, and false where there is
// none. In a sidecar it may not be Current any more. If the record says "running" but
// nobody holds the lock, the process of the run has ended: Read returns the run and its
// running steps as Interrupted, and counts them in its Totals. The record belongs to the
// caller.
//
// The error is a *RecordError for a record of this instance that is broken or of another
// version, and an *OwnerError for one that another user has made or can change.
func (h *Hook) Read() (Record, bool, error) {
	if h.bad != nil {
		return Record{}, false, h.bad
	}
	h.store.calls.Lock()
	defer h.store.calls.Unlock()
	r, ok, err := h.load()
	for {
		if err != nil || !ok || !h.store.known(&r) {
			return Record{}, false, err
		}
		if r.Outcome != Running {
			return r.Clone(), true, nil
		}
		busy, berr := h.Busy()
		if berr != nil {
			return Record{}, false, berr
		}
		if busy {
			return r.Clone(), true, nil
		}
		// The run may have ended between the reading of its record and the check of its
		// lock. If the record is still the same, the run did not end.
		again, ok2, err2 := h.load()
		if err2 == nil && ok2 && again.RunID == r.RunID && again.Outcome == Running {
			again = again.Clone()
			again.interrupt()
			return again, true, nil
		}
		r, ok, err = again, ok2, err2
	}
}

// Last returns the record of the last run in any instance, nil where there is none. It is as
// that instance has left it: the run may never have ended. It is empty if it cannot be read,
// because the machine has crashed. It must not be changed.
func (h *Hook) Last() *Record {
	h.store.calls.Lock()
	defer h.store.calls.Unlock()
	r, ok, err := h.load()
	var st unix.Stat_t
	if (!ok || err != nil) && unix.Lstat(filepath.Join(h.dir, "run.json"), &st) != nil {
		return nil
	}
	return &r
}

// Read is Hook.Read for the holder of the lock: if a record says running, the process of
// that run has ended.
func (l *Lock) Read() (Record, bool, error) {
	r, ok, err := l.hook.load()
	if err != nil || !ok || !l.hook.store.known(&r) {
		return Record{}, false, err
	}
	r = r.Clone()
	if r.Outcome == Running {
		r.interrupt()
	}
	return r, true, nil
}

// cachedRecord is a record and the file that it was read from.
type cachedRecord struct {
	file   fileKey
	record Record
}

// fileKey identifies the content of a file. New content is always a new file.
type fileKey struct {
	inode       uint64
	size, mtime int64
}

func keyOf(st *unix.Stat_t) fileKey {
	return fileKey{uint64(st.Ino), st.Size, st.Mtim.Nano()}
}

// settled is the age from which a file's key is reliable: inode numbers are reused, and
// times are as coarse as the kernel's tick.
const settled = 50 * time.Millisecond

// load reads run.json of any instance, or takes it from the cache. The record is shared
// and must not be changed.
func (h *Hook) load() (Record, bool, error) {
	path := filepath.Join(h.dir, "run.json")
	var dir, st unix.Stat_t
	if err := unix.Lstat(path, &st); err == unix.ENOENT {
		return Record{}, false, nil
	} else if err != nil {
		return Record{}, false, pathError("stat", path, err)
	}
	if err := unix.Stat(h.dir, &dir); err != nil {
		return Record{}, false, pathError("stat", h.dir, err)
	}
	if err := errors.Join(h.store.trust(h.dir, &dir), h.store.trust(path, &st)); err != nil {
		return Record{}, false, err
	}
	h.mu.Lock()
	c := h.cached
	h.mu.Unlock()
	if c != nil && c.file == keyOf(&st) {
		return c.record, true, nil
	}
	data, key, err := h.store.readFile(path, maxRecord)
	if errors.Is(err, fs.ErrNotExist) {
		return Record{}, false, nil
	}
	if err != nil {
		return Record{}, false, err
	}
	r, err := decodeRecord(data)
	if err == nil && r.Hook != h.name {
		err = fmt.Errorf("it is of hook %q", r.Hook)
	}
	if err != nil && !ofInstance(data, h.store.instance.ID) {
		return Record{}, false, nil // damaged by a crash of the machine, before this instance
	}
	if err != nil {
		return Record{}, false, &RecordError{path, err}
	}
	if time.Since(time.Unix(0, key.mtime)) > settled {
		h.mu.Lock()
		h.cached = &cachedRecord{key, r}
		h.mu.Unlock()
	}
	return r, true, nil
}
