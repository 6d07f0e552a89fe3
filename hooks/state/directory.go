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

// chooseDir returns the directory that all processes of the container use, and whether it
// has made it. A directory that contains state of this instance is the one, even if it
// cannot be written now: with a second one, every hook would run twice.
func chooseDir(o Options, p places, in Instance) (dir string, made bool, err error) {
	if given := o.Dir; given != "" {
		dir = filepath.Clean(given)
		if made, err = useGiven(dir, in, o); err != nil {
			return "", false, &DirError{Given: true, Tries: []DirTry{{given, err}}}
		}
		return dir, made, nil
	}
	all := p.candidates(in.Container)
	for _, dir := range all {
		var st unix.Stat_t
		switch {
		case unix.Lstat(dir, &st) != nil:
		case int(st.Uid) != os.Geteuid() && !o.Show:
			return "", false, &DirError{Tries: []DirTry{{dir, &OwnerError{dir, st.Uid, fs.FileMode(st.Mode & 0o777)}}}}
		case st.Mode&unix.S_IFMT == unix.S_IFDIR && inUse(dir, in, o.Show):
			return dir, false, nil
		}
	}
	if o.Show || o.ReadOnly {
		return all[0], false, nil // there is nothing to show, in any of them
	}
	e := &DirError{}
	for _, dir := range all {
		made, err := useOwn(dir, p.shm)
		if err == nil {
			return dir, made, nil
		}
		e.Tries = append(e.Tries, DirTry{dir, err})
		if !unusable(err) {
			break
		}
	}
	return "", false, e
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

func useGiven(dir string, in Instance, o Options) (made bool, err error) {
	if !filepath.IsAbs(dir) {
		return false, errors.New("must be an absolute path, since processes of one container work in different directories")
	}
	if inUse(dir, in, o.Show) {
		return false, nil
	}
	if info, err := os.Stat(dir); (o.Show || o.ReadOnly) && (errors.Is(err, fs.ErrNotExist) || err == nil && info.IsDir()) {
		return false, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return false, err
	}
	err = os.Mkdir(dir, 0o700)
	made = err == nil
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return false, err
	}
	return made, tryFile(dir)
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
func useOwn(dir, shm string) (made bool, err error) {
	if filepath.Dir(dir) == shm {
		if err := checkSharedParent(shm); err != nil {
			return false, err
		}
	}
	err = os.Mkdir(dir, 0o700)
	made = err == nil
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return false, err
	}
	fd, err := retry(func() (int, error) {
		return unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return made, refuseLink(dir, err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return made, &fs.PathError{Op: "fstat", Path: dir, Err: err}
	}
	private := st.Mode&0o777 == 0o700
	if int(st.Uid) != os.Geteuid() || !made && !private {
		return made, &OwnerError{dir, st.Uid, fs.FileMode(st.Mode & 0o777)}
	}
	if !private { // the umask has removed bits
		if err := unix.Fchmod(fd, 0o700); err != nil {
			return made, &fs.PathError{Op: "chmod", Path: dir, Err: err}
		}
	}
	return made, tryFile(dir)
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
