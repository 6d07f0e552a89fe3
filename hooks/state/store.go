package state

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/podhook/podhook/hooks/procfs"
)

// DefaultOutputLimit is how much of a run's output is kept, in bytes, where
// Options.OutputLimit is 0.
const DefaultOutputLimit = 64 << 10

// Options are what a Store is opened with.
type Options struct {
	// Dir is PODHOOK_STATE_DIR, an absolute path. It is used or is an error;
	// "" lets Open choose (see Open).
	Dir string
	// OutputLimit bounds the output kept of a run, in bytes, head and tail
	// together; 0 is DefaultOutputLimit, less than 0 keeps none.
	OutputLimit int
	// Show is for a Store that is only read, for people: what another user has made
	// or can change is no error then (see OwnerError).
	Show bool
}

// Store is the state of one container. It may be used by any number of
// goroutines; other processes of the container use the same directory.
type Store struct {
	dir         string
	made        bool // by Open
	show        bool
	proc        procfs.FS
	instance    Instance
	main        func() *MainIdentity // nil where nobody has told
	outputLimit int
	probe       func(fd int) (held bool, err error)

	mu    sync.Mutex
	hooks map[string]*Hook
}

// Open finds or makes the state directory.
//
// Where o.Dir is "" it is the directory podhook-IDENTITY, IDENTITY being the
// container's, in the first of these places where it can be made and written:
// /run/podhook where that is there, /run, and /dev/shm. In Kubernetes /dev/shm can
// be written by a non-root container with a read-only root (kubelet.md, "Inside a
// restricted container"). Once it has state of this instance in it, it is the
// directory until the instance ends, also where it cannot be written any more.
//
// The error is a *DirError. A full file system is none: what it holds can still be
// read. See Check.
func Open(o Options) (*Store, error) {
	return open(o, places{proc: procfs.Proc, run: "/run", shm: "/dev/shm"})
}

func open(o Options, p places) (*Store, error) {
	in := currentInstance(p.proc)
	dir, made, err := chooseDir(o, p, in)
	if err != nil {
		return nil, err
	}
	s := newStore(dir, in)
	s.made, s.show = made, o.Show
	if s.outputLimit = o.OutputLimit; o.OutputLimit == 0 {
		s.outputLimit = DefaultOutputLimit
	}
	return s, nil
}

func newStore(dir string, in Instance) *Store {
	return &Store{dir: dir, proc: procfs.Proc, instance: in, probe: probeHeld, hooks: map[string]*Hook{}}
}

// Dir is the absolute path of the state directory.
func (s *Store) Dir() string { return s.dir }

// Instance is the start of the container that this process belongs to.
func (s *Store) Instance() Instance { return s.instance }

// Check writes a file and removes it again, so that a full or read-only
// directory is known before a hook needs it. The error is a *FullError where
// no space is left.
func (s *Store) Check() error {
	path := filepath.Join(s.dir, ".check")
	if err := writeFile(path, make([]byte, 4096), 0o600, false); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Unmake removes the directory if Open has made it and nothing has been written
// to it since: a check in the build of an image must not leave one of root's in
// the way of the user that the container has later.
func (s *Store) Unmake() {
	if s.made {
		_ = os.Remove(s.dir) // fails where something is in it
	}
}

// Hook is the state of the hook called name. It does no input or output; a
// name that is no DNS label (RFC 1123) is an error of its methods.
func (s *Store) Hook(name string) *Hook {
	if err := checkName(name); err != nil {
		return &Hook{store: s, name: name, bad: err}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.hooks[name]
	if h == nil {
		h = newHook(s, name)
		s.hooks[name] = h
	}
	return h
}
