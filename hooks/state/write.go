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

// FullError says that a file system has no space, no inodes or no quota left.
type FullError struct {
	Path string
	Err  error
}

func (e *FullError) Error() string {
	return fmt.Sprintf("%s: %v: free space there", e.Path, e.Err)
}

// Unwrap returns the error of the system call.
func (e *FullError) Unwrap() error { return e.Err }

// pathError adds the path to an error. It returns a *FullError for ENOSPC and EDQUOT.
func pathError(op, path string, err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return &FullError{path, err}
	}
	return &fs.PathError{Op: op, Path: path, Err: err}
}

// retry repeats a call that a signal has interrupted (signal(7)).
func retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != unix.EINTR {
			return n, err
		}
	}
}

// WriteFileAtomic writes a file so that every reader sees either the old content or the
// new, even after a crash of the machine: it writes and syncs a temporary file in the same
// directory, renames it and syncs the directory. The file gets mode whatever the umask is.
// If several processes write the same path, the last one wins. The error is a *FullError
// where no space is left.
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

// atomicWrite replaces one file. It uses a descriptor of the directory, because a run
// writes its record several times and each path lookup costs time.
type atomicWrite struct {
	dirfd      int
	dir        string // for errors
	temp, name string
	mode       fs.FileMode
	// sync is for files that must survive a crash of the machine. The files of the state
	// need not: they belong to one instance, which ends with the kernel.
	sync bool
}

func (w atomicWrite) write(data []byte) error {
	fd, err := w.create(data)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := w.rename(); err != nil {
		w.remove()
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

// create makes the temporary file. The caller closes it, and renames or removes it.
func (w atomicWrite) create(data []byte) (int, error) {
	path := w.dir + "/" + w.temp
	fd, err := createAt(w.dirfd, w.temp, unix.O_EXCL)
	if err == unix.EEXIST { // left by a crash, or a link that another user has made
		w.remove()
		fd, err = createAt(w.dirfd, w.temp, unix.O_EXCL)
	}
	if err != nil {
		return -1, pathError("create", path, err)
	}
	if w.mode != 0o600 {
		if err = unix.Fchmod(fd, uint32(w.mode.Perm())); err != nil {
			err = pathError("chmod", path, err)
		}
	}
	if err == nil {
		if err = pwriteAll(fd, data, 0); err != nil {
			err = pathError("write", path, err)
		} else {
			err = w.fsync(fd, path)
		}
	}
	if err != nil {
		unix.Close(fd)
		w.remove()
		return -1, err
	}
	return fd, nil
}

func (w atomicWrite) rename() error {
	if err := unix.Renameat(w.dirfd, w.temp, w.dirfd, w.name); err != nil {
		return pathError("rename", filepath.Join(w.dir, w.name), err)
	}
	return nil
}

// remove removes the temporary file, to free its space.
func (w atomicWrite) remove() { _ = unix.Unlinkat(w.dirfd, w.temp, 0) }

// createAt opens a file for reading and writing, and makes it if it is missing.
func createAt(dirfd int, name string, flags int) (int, error) {
	return retry(func() (int, error) {
		return unix.Openat(dirfd, name, unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC|flags, 0o600)
	})
}

func pwriteAll(fd int, data []byte, at int64) error {
	for len(data) > 0 {
		n, err := retry(func() (int, error) { return unix.Pwrite(fd, data, at) })
		if err != nil {
			return err
		}
		data, at = data[n:], at+int64(n)
	}
	return nil
}
