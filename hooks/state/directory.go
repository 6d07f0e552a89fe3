package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// places are the directories that Open looks at.
type places struct{ proc, run, shm string }

// DirError says that there is no place for the state, and what to mount.
type DirError struct {
	// Tries are the directories that were tried, in order.
	Tries []DirTry
	// Given is true where the directory came from PODHOOK_STATE_DIR.
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

// Unwrap gives the cause of every try to errors.Is and errors.As.
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

// OwnerError is a directory that another user owns, or that is open to others.
type OwnerError struct {
	Path string
	UID  uint32
	Mode fs.FileMode
}

func (e *OwnerError) Error() string {
	return fmt.Sprintf("it belongs to uid %d with mode %04o and must be uid %d's with mode 0700: run podhook as one user in a container, or remove it", e.UID, e.Mode, os.Geteuid())
}

// sharedDir is the container's own among those of its pod.
func (p places) sharedDir(container string) string {
	return filepath.Join(p.shm, "podhook-"+container)
}

// chooseDir returns the directory that all processes of the container use.
func chooseDir(given string, p places, container string) (string, error) {
	if given != "" {
		dir := filepath.Clean(given)
		if err := useGiven(dir); err != nil {
			return "", &DirError{Given: true, Tries: []DirTry{{given, err}}}
		}
		return dir, nil
	}
	shm := p.sharedDir(container)
	err := useRun(p.run, shm)
	if err == nil {
		return p.run, nil
	}
	e := &DirError{Tries: []DirTry{{p.run, err}}}
	if !unusable(err) {
		return "", e
	}
	if err := useShared(shm); err != nil {
		e.Tries = append(e.Tries, DirTry{shm, err})
		return "", e
	}
	return shm, nil
}

// unusable tells a directory that no process of this container can use from
// one that only fails this time (full, or another user's). Only the first may
// be passed over: else two processes would come to two directories.
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

func useGiven(dir string) error {
	if !filepath.IsAbs(dir) {
		return errors.New("must be an absolute path, since processes of one container work in different directories")
	}
	return makeWritable(dir)
}

// useRun makes the usual directory. Where another user of this container
// already keeps state (here or in shared memory), a second place would
// silently run every hook twice, so that is an error.
func useRun(dir, shm string) error {
	var st unix.Stat_t
	if unix.Stat(dir, &st) != nil {
		if unix.Lstat(shm, &st) == nil && int(st.Uid) != os.Geteuid() {
			return &OwnerError{shm, st.Uid, fs.FileMode(st.Mode & 0o777)}
		}
		return makeWritable(dir)
	}
	err := makeWritable(dir)
	if errors.Is(err, unix.EACCES) && int(st.Uid) != os.Geteuid() && st.Mode&0o777 == 0o700 {
		return &OwnerError{dir, st.Uid, fs.FileMode(st.Mode & 0o777)}
	}
	return err
}

// makeWritable makes dir where it is missing and proves that a file can be
// made in it: permission bits do not tell of read-only mounts.
func makeWritable(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return tryFile(dir)
}

func tryFile(dir string) error {
	path := filepath.Join(dir, ".try")
	fd, err := retry(func() (int, error) {
		return unix.Open(path, unix.O_WRONLY|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	})
	if err != nil {
		return &fs.PathError{Op: "create", Path: path, Err: err}
	}
	unix.Close(fd)
	if err := unix.Unlink(path); err != nil && err != unix.ENOENT {
		return &fs.PathError{Op: "remove", Path: path, Err: err}
	}
	return nil
}

// useShared makes a directory in a place where others may make theirs too, and
// refuses one that is not ours alone: another container of the pod could have
// planted it or a link.
func useShared(dir string) error {
	if err := checkSharedParent(filepath.Dir(dir)); err != nil {
		return err
	}
	made := os.Mkdir(dir, 0o700)
	if made != nil && !errors.Is(made, fs.ErrExist) {
		return made
	}
	fd, err := retry(func() (int, error) {
		return unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return refuseLink(dir, err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return &fs.PathError{Op: "fstat", Path: dir, Err: err}
	}
	if int(st.Uid) != os.Geteuid() || made != nil && st.Mode&0o777 != 0o700 {
		return &OwnerError{dir, st.Uid, fs.FileMode(st.Mode & 0o777)}
	}
	if made == nil && st.Mode&0o777 != 0o700 {
		// The umask took bits away.
		if err := unix.Fchmod(fd, 0o700); err != nil {
			return &fs.PathError{Op: "chmod", Path: dir, Err: err}
		}
	}
	return tryFile(dir)
}

// refuseLink explains why what lies at dir could not be opened as a directory.
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

// checkSharedParent refuses a directory in which others could swap ours.
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
