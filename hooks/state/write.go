package state

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// FullError says that the file system of the state, or of a user's marker, has
// no space, no inodes or no quota left.
type FullError struct {
	Path string
	Err  error
}

func (e *FullError) Error() string {
	return fmt.Sprintf("%s: %v: free space there", e.Path, e.Err)
}

// Unwrap is the system's error.
func (e *FullError) Unwrap() error { return e.Err }

// pathError names the file and makes a *FullError of what says "full".
func pathError(op, path string, err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return &FullError{path, err}
	}
	return &fs.PathError{Op: op, Path: path, Err: err}
}

// retry repeats a call that a signal interrupted (signal(7)).
func retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != unix.EINTR {
			return n, err
		}
	}
}

// WriteFileAtomic writes a file that a user has asked for, so that a reader,
// also after a crash of the machine, sees the old content or the new: a temporary
// file beside it, fsync, rename, fsync of the directory. The file gets mode
// whatever the umask. Any number of processes may write the same path; the last
// one wins. The error is a *FullError where no space is left.
func WriteFileAtomic(path string, data []byte, mode fs.FileMode) error {
	return writeFile(path, data, mode, true)
}

func writeFile(path string, data []byte, mode fs.FileMode, sync bool) error {
	dir, base := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	dirfd, err := openDir(dir)
	if err != nil {
		return pathError("open", dir, err)
	}
	defer unix.Close(dirfd)
	temp := fmt.Sprintf(".%s.%d.%x.tmp", base, os.Getpid(), rand.Uint64())
	w := atomicWrite{dirfd: dirfd, dir: dir, temp: temp, name: base, mode: mode, sync: sync}
	return w.write(data)
}

func openDir(dir string) (int, error) {
	return retry(func() (int, error) {
		return unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	})
}

// atomicWrite is one file to be replaced. It works on a directory's descriptor
// because a run writes its record several times, and path lookups add up.
type atomicWrite struct {
	dirfd      int
	dir        string // for errors
	temp, name string
	mode       fs.FileMode
	// sync is for files that outlive the machine's crash. The state's own do not
	// need it: they speak for one instance, which ends with the kernel.
	sync bool
}

func (w atomicWrite) write(data []byte) error {
	err := w.writeTemp(data)
	if err == nil {
		if rerr := unix.Renameat(w.dirfd, w.temp, w.dirfd, w.name); rerr != nil {
			err = pathError("rename", filepath.Join(w.dir, w.name), rerr)
		}
	}
	if err != nil {
		_ = unix.Unlinkat(w.dirfd, w.temp, 0) // gives the space back
		return err
	}
	return w.fsync(w.dirfd, w.dir)
}

func (w atomicWrite) fsync(fd int, path string) error {
	if !w.sync {
		return nil
	}
	if _, err := retry(func() (int, error) { return 0, unix.Fsync(fd) }); err != nil {
		return pathError("fsync", path, err)
	}
	return nil
}

func (w atomicWrite) writeTemp(data []byte) error {
	path := w.dir + "/" + w.temp
	fd, err := createAt(w.dirfd, w.temp, unix.O_EXCL)
	if err == unix.EEXIST { // a crash left it, or somebody has put a link to another file there
		_ = unix.Unlinkat(w.dirfd, w.temp, 0)
		fd, err = createAt(w.dirfd, w.temp, unix.O_EXCL)
	}
	if err != nil {
		return pathError("create", path, err)
	}
	defer unix.Close(fd)
	if w.mode != 0o600 {
		if err := unix.Fchmod(fd, uint32(w.mode.Perm())); err != nil {
			return pathError("chmod", path, err)
		}
	}
	if err := writeAll(fd, data); err != nil {
		return pathError("write", path, err)
	}
	return w.fsync(fd, path)
}

// createAt opens a file for reading and writing and makes it where it is missing.
func createAt(dirfd int, name string, flags int) (int, error) {
	return retry(func() (int, error) {
		return unix.Openat(dirfd, name, unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC|flags, 0o600)
	})
}

func writeAll(fd int, data []byte) error {
	for len(data) > 0 {
		n, err := retry(func() (int, error) { return unix.Write(fd, data) })
		if err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}
