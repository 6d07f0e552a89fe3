package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/procfs"
)

// places are the directories that Open looks at.
type places struct {
	proc     procfs.FS
	run, shm string
}

// candidates returns the directories that may contain the container's state, in order.
// The name of each contains the container's identity, because containers may share every
// place: /dev/shm in a pod, and an emptyDir at /run. /run/podhook is used if it exists,
// and never made.
func (p places) candidates(container string) []string {
	name := "podhook-" + container
	return []string{filepath.Join(p.run, "podhook", name), filepath.Join(p.run, name), filepath.Join(p.shm, name)}
}

// DirError says that there is no directory for the state, and what to mount.
type DirError struct {
	// Tries are the directories that were tried, in order.
	Tries []DirTry
	// Given is true where the directory is from PODHOOK_STATE_DIR.
	Given bool
}

// DirTry is one directory and why it cannot be used.
type DirTry struct {
	Path string
	Err  error
}

func (e *DirError) Error() string {
	var b strings.Builder
	if e.Given {
		b.WriteString("PODHOOK_STATE_DIR cannot be used: ")
	} else {
		b.WriteString("no directory for podhook's state: ")
	}
	for i, t := range e.Tries {
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%s: %v", t.Path, cause(t.Err))
	}
	if e.Given {
		b.WriteString(": mount an emptyDir there, or unset it")
	} else {
		b.WriteString(": mount an emptyDir at /run/podhook, or set PODHOOK_STATE_DIR to a directory that can be written")
	}
	return b.String()
}

// Unwrap returns the error of every try.
func (e *DirError) Unwrap() []error {
	var errs []error
	for _, t := range e.Tries {
		errs = append(errs, t.Err)
	}
	return errs
}

// cause drops the path that a *fs.PathError repeats.
func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// OwnerError says that another user owns or can write to a file or a directory.
type OwnerError struct {
	Path string
	UID  uint32
	Mode fs.FileMode
}

func (e *OwnerError) Error() string {
	is := "it belongs to"
	if e.Mode&fs.ModeSymlink != 0 {
		is = "it is a symbolic link of"
	}
	return fmt.Sprintf("%s uid %d with mode %04o, and must be uid %d's and not writable by others: run podhook as one user in a container, or remove it", is, e.UID, e.Mode.Perm(), os.Geteuid())
}

// chosen is a directory that all processes of the container use.
type chosen struct {
	dir  string
	at   string // where it is: dir, or another one beside it for a trial
	made bool   // at was not there before
}

// chooseDir returns the directory that all processes of the container use. A directory that contains state of this instance is the one, even if it
// cannot be written now: with a second one, every hook would run twice.
func chooseDir(o Options, p places, in Instance) (chosen, error) {
	if given := o.Dir; given != "" {
		c, err := useGiven(filepath.Clean(given), in, o)
		if err != nil {
			return chosen{}, &DirError{Given: true, Tries: []DirTry{{given, err}}}
		}
		return c, nil
	}
	all := p.candidates(in.Container)
	for _, dir := range all {
		var st unix.Stat_t
		switch {
		case unix.Lstat(dir, &st) != nil:
		case int(st.Uid) != os.Geteuid() && !o.Show:
			return chosen{}, &DirError{Tries: []DirTry{{dir, &OwnerError{dir, st.Uid, fs.FileMode(st.Mode & 0o777)}}}}
		case st.Mode&unix.S_IFMT == unix.S_IFDIR && inUse(dir, in, o.Show):
			return chosen{dir, dir, false}, nil
		}
	}
	if o.Show || o.ReadOnly {
		return chosen{all[0], all[0], false}, nil // there is nothing to show, in any of them
	}
	e := &DirError{}
	for _, dir := range all {
		c, err := useOwn(dir, p.shm, o.Trial)
		if err == nil {
			return c, nil
		}
		e.Tries = append(e.Tries, DirTry{dir, err})
		if !unusable(err) {
			break
		}
	}
	return chosen{}, e
}

// inUse reports whether dir contains state of this instance.
func inUse(dir string, in Instance, show bool) bool {
	s := newStore(dir, in)
	s.show = show
	if _, ok, _ := s.Main(); ok {
		return true
	}
	if _, _, ok, _ := s.LastConfig(); ok {
		return true
	}
	entries, _ := os.ReadDir(filepath.Join(dir, "hooks"))
	return slices.ContainsFunc(entries, func(e os.DirEntry) bool {
		_, found, _ := s.Hook(e.Name()).Read()
		return found
	})
}

// unusable reports whether no process of this container can use a directory. One that is
// full or belongs to another user is not unusable: to skip it could lead two processes to
// two directories.
func unusable(err error) bool {
	var owner *OwnerError
	if errors.As(err, &owner) {
		return false
	}
	for _, e := range []unix.Errno{unix.EROFS, unix.EACCES, unix.EPERM, unix.ENOENT, unix.ENOTDIR, unix.ELOOP} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func useGiven(dir string, in Instance, o Options) (chosen, error) {
	if !filepath.IsAbs(dir) {
		return chosen{}, errors.New("must be an absolute path, since processes of one container work in different directories")
	}
	if inUse(dir, in, o.Show) {
		return chosen{dir, dir, false}, nil
	}
	if info, err := os.Stat(dir); (o.Show || o.ReadOnly) && (errors.Is(err, fs.ErrNotExist) || err == nil && info.IsDir()) {
		return chosen{dir, dir, false}, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return chosen{}, err
	}
	c, err := makeDir(dir, o.Trial)
	if err != nil {
		return chosen{}, err
	}
	return c, tryFile(c.at)
}

// makeDir makes a directory if it is not there. A trial makes another one beside it: to
// make and remove the directory itself could take it from a process that has found it.
func makeDir(dir string, trial bool) (chosen, error) {
	if !trial {
		err := os.Mkdir(dir, 0o700)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return chosen{}, err
		}
		return chosen{dir, dir, err == nil}, nil
	}
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		return chosen{dir, dir, false}, err
	}
	at, err := os.MkdirTemp(filepath.Dir(dir), ".podhook-trial-")
	var path *fs.PathError
	if errors.As(err, &path) {
		path.Path = dir // the name of the trial tells nobody anything
	}
	return chosen{dir, at, err == nil}, err
}

// tryFile checks that a file can be made in dir, because permission bits do not show
// read-only mounts. A full file system is no error, because it may have space later.
func tryFile(dir string) error {
	path := filepath.Join(dir, ".try")
	fd, err := retry(func() (int, error) {
		return unix.Open(path, unix.O_WRONLY|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	})
	if err == unix.ENOSPC || err == unix.EDQUOT {
		return nil
	}
	if err != nil {
		return &fs.PathError{Op: "create", Path: path, Err: err}
	}
	unix.Close(fd)
	if err := unix.Unlink(path); err != nil && err != unix.ENOENT {
		return &fs.PathError{Op: "remove", Path: path, Err: err}
	}
	return nil
}

// useOwn makes a directory in a place that other users may share. It refuses one that
// another user can change, and a link: another container of the pod could have made it.
func useOwn(dir, shm string, trial bool) (chosen, error) {
	if filepath.Dir(dir) == shm {
		if err := checkSharedParent(shm); err != nil {
			return chosen{}, err
		}
	}
	c, err := makeDir(dir, trial)
	if err != nil {
		return chosen{}, err
	}
	fd, err := retry(func() (int, error) {
		return unix.Open(c.at, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return c, refuseLink(c.at, err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return c, &fs.PathError{Op: "fstat", Path: c.at, Err: err}
	}
	private := st.Mode&0o777 == 0o700
	if int(st.Uid) != os.Geteuid() || !c.made && !private {
		return c, &OwnerError{dir, st.Uid, fs.FileMode(st.Mode & 0o777)}
	}
	if !private { // the umask has removed bits
		if err := unix.Fchmod(fd, 0o700); err != nil {
			return c, &fs.PathError{Op: "chmod", Path: c.at, Err: err}
		}
	}
	return c, tryFile(c.at)
}

// refuseLink explains why dir could not be opened as a directory.
func refuseLink(dir string, err error) error {
	var st unix.Stat_t
	if unix.Lstat(dir, &st) == nil {
		if st.Mode&unix.S_IFMT == unix.S_IFLNK {
			return fmt.Errorf("it is a symbolic link that uid %d has made, not a directory: remove it", st.Uid)
		}
		if int(st.Uid) != os.Geteuid() {
			return &OwnerError{dir, st.Uid, fs.FileMode(st.Mode & 0o777)}
		}
	}
	return &fs.PathError{Op: "open", Path: dir, Err: err}
}

// checkSharedParent refuses a directory in which other users could replace podhook's.
func checkSharedParent(dir string) error {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return &fs.PathError{Op: "stat", Path: dir, Err: err}
	}
	if st.Mode&0o022 != 0 && st.Mode&unix.S_ISVTX == 0 {
		return fmt.Errorf("%s can be written by others and has no sticky bit", dir)
	}
	return nil
}
