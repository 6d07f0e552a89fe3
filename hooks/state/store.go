package state

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/podhook/podhook/hooks/hookname"
	"github.com/podhook/podhook/hooks/procfs"
)

// DefaultOutputLimit applies where Options.OutputLimit is 0, in bytes.
const DefaultOutputLimit = 64 << 10

// Options are the options of Open.
type Options struct {
	// Dir is PODHOOK_STATE_DIR, an absolute path. If it cannot be used, Open fails. With
	// "" Open chooses a directory.
	Dir string
	// OutputLimit bounds the kept output of a run, in bytes, beginning and end together;
	// 0 means DefaultOutputLimit, and less than 0 keeps none.
	OutputLimit int
	// ReadOnly is for a Store that is only read: Open makes no directory, and returns a
	// Store without any state where there is none.
	ReadOnly bool
	// Trial is for a look at what a writing Open would do. Where the directory is not there,
	// the Store is in another one beside it, which Unmake removes.
	Trial bool
	// Show is for a Store that is only read, and shown to people. It accepts files that another
	// user has made or can change (see OwnerError).
	Show bool
}

// Store is the state of one container. It may be used from any goroutine. Other processes
// of the container use the same directory.
type Store struct {
	dir         string
	name        string // of dir for people; another one for a trial
	made        bool   // by Open
	show        bool
	readOnly    bool // nothing is written
	proc        procfs.FS
	instance    Instance
	main        func() *MainIdentity // see LookAfter; may be nil
	outputLimit int
	probe       func(fd int) (held bool, err error)

	mu    sync.Mutex
	hooks map[string]*Hook

	// calls is held by Hook.Read, Hook.Called and others, which any number of HTTP calls make. So
	// they block one thread. No thread can be made when all PIDs of the container are in
	// use.
	calls sync.Mutex
}

// Open finds or makes the state directory.
//
// If o.Dir is "" it is the directory podhook-IDENTITY, with the container's identity, in
// the first of these places where it can be made and written: /run/podhook if that
// exists, /run, and /dev/shm. In Kubernetes a non-root container with a read-only root can
// write to /dev/shm (deploy/kubernetes/kubelet.md, "Inside a restricted container"). Once
// the directory contains state of this instance, it is used until the instance ends, even
// if it cannot be written any more.
//
// The error is a *DirError. A full file system is no error, because its files can be read;
// see Check.
func Open(o Options) (*Store, error) {
	return open(o, places{proc: procfs.Proc, run: "/run", shm: "/dev/shm"})
}

func open(o Options, p places) (*Store, error) {
	in := currentInstance(p.proc)
	c, err := chooseDir(o, p, in)
	if err != nil {
		return nil, err
	}
	s := newStore(c.at, in)
	s.name, s.made, s.show, s.readOnly = c.dir, c.made, o.Show, o.ReadOnly || o.Show
	if s.outputLimit = o.OutputLimit; o.OutputLimit == 0 {
		s.outputLimit = DefaultOutputLimit
	}
	return s, nil
}

func newStore(dir string, in Instance) *Store {
	return &Store{dir: dir, name: dir, proc: procfs.Proc, instance: in, probe: probeHeld, hooks: map[string]*Hook{}}
}

// Dir returns the absolute path of the state directory.
func (s *Store) Dir() string { return s.name }

// Instance returns the start of the container that this process belongs to.
func (s *Store) Instance() Instance { return s.instance }

// Check writes a file and removes it, so that a full or read-only directory is known
// before a hook needs it. The error is a *FullError where no space is left.
func (s *Store) Check() error {
	path := filepath.Join(s.dir, ".check")
	if _, err := os.Stat(s.dir); s.readOnly && errors.Is(err, fs.ErrNotExist) {
		return nil // Open has tried it
	}
	if err := writeFile(path, make([]byte, 4096), 0o600, false); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Unmake removes the directory of a trial if Open has made it and it is empty. A check in
// the build of an image must not leave a directory of root, which another user of the
// container could not use later.
func (s *Store) Unmake() {
	if s.made {
		_ = os.Remove(s.dir) // fails if it is not empty
	}
}

// Hook returns the state of the hook called name. It reads no file. If the name is no DNS
// label (RFC 1123), the methods of the Hook fail.
func (s *Store) Hook(name string) *Hook {
	if !hookname.Valid(name) {
		return &Hook{store: s, name: name, bad: &NameError{name}}
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
