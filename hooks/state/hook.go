package state

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

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

	// file is what open has opened last.
	file       *os.File
	dev, inode uint64

	mu     sync.Mutex
	silent string   // the last run of this process that has kept no output
	cached *content // of the file, as it was last seen
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
	for {
		fd, inode, err := h.open()
		if fd < 0 || err != nil {
			return Record{}, false, err
		}
		if r, ok, again, err := h.readOpen(fd, inode); !again {
			return r, ok, err
		}
	}
}

// readOpen is Read for an open file. It asks for another try if a run has begun or ended, or
// the file was replaced, between the reading of the record and the check of the lock.
func (h *Hook) readOpen(fd int, inode uint64) (r Record, ok, again bool, err error) {
	c, err := h.read(fd, inode)
	if err != nil {
		return Record{}, false, false, err
	}
	if c.record == nil || !h.store.known(c.record) {
		return Record{}, false, false, c.err
	}
	r = c.record.Clone()
	if r.Outcome != Running {
		return r, true, false, nil
	}
	held, err := h.store.probe(fd)
	if err != nil {
		return Record{}, false, false, pathError("fcntl", h.path(), err)
	}
	if held {
		return r, true, false, nil
	}
	now, err := h.read(fd, inode)
	var st unix.Stat_t
	if err != nil || now.end != c.end || unix.Fstat(fd, &st) != nil || st.Nlink == 0 {
		return Record{}, false, err == nil, err
	}
	r.interrupt()
	return r, true, false, nil
}

// Last returns the record of the last run in any instance, nil where there is none. It is as
// that instance has left it: the run may never have ended. It is empty if it cannot be read,
// because the machine has crashed. It must not be changed.
func (h *Hook) Last() *Record {
	h.store.calls.Lock()
	defer h.store.calls.Unlock()
	if r, _ := h.load(); r != nil {
		return r
	}
	var st unix.Stat_t
	if unix.Lstat(h.MarkerPath(), &st) != nil && unix.Lstat(filepath.Join(h.dir, hiddenMarker), &st) != nil {
		return nil
	}
	return &Record{}
}

// Read is Hook.Read for the holder of the lock: if a record says running, the process of
// that run has ended.
func (l *Lock) Read() (Record, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.load(); err != nil {
		return Record{}, false, err
	}
	c := l.content
	if c.record == nil || !l.hook.store.known(c.record) {
		return Record{}, false, c.err
	}
	r := c.record.Clone()
	r.interrupt()
	return r, true, nil
}

// open returns the open file of the runs, which stays open: to close a file with locks waits
// for all who read /proc/locks. The descriptor is -1 where there is none. The caller holds
// Store.calls.
func (h *Hook) open() (fd int, inode uint64, err error) {
	var st, dir unix.Stat_t
	if err := unix.Stat(h.dir, &dir); err == nil {
		if err := h.store.trust(h.dir, &dir); err != nil {
			return -1, 0, err
		}
	}
	if err := unix.Lstat(h.path(), &st); err == unix.ENOENT {
		h.file = nil // the garbage collector closes it
		return -1, 0, nil
	} else if err != nil {
		return -1, 0, pathError("lstat", h.path(), err)
	}
	if h.file == nil || h.dev != st.Dev || h.inode != st.Ino {
		fd, st, err = h.store.openTrusted(h.path())
		if errors.Is(err, fs.ErrNotExist) {
			return -1, 0, nil
		}
		if err != nil {
			return -1, 0, err
		}
		if h.file != nil {
			h.file.Close()
		}
		h.file, h.dev, h.inode = os.NewFile(uintptr(fd), h.path()), st.Dev, st.Ino
	}
	if err := h.store.trust(h.path(), &st); err != nil {
		return -1, 0, err
	}
	return int(h.file.Fd()), h.inode, nil
}

// load returns the record of the last run in any instance, nil where there is none. It is
// shared and must not be changed. The caller holds Store.calls.
func (h *Hook) load() (*Record, error) {
	fd, inode, err := h.open()
	if fd < 0 || err != nil {
		return nil, err
	}
	c, err := h.read(fd, inode)
	if err != nil {
		return nil, err
	}
	return c.record, c.err
}
