// Package userfile finds and overwrites the files of write steps and markers. The user
// chooses their paths, so they may be links, mounts or devices.
package userfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// maxLinks is how many links the kernel follows (path_resolution(7)).
const maxLinks = 40

// Target returns the path of the file that path leads to. It follows links, also one
// to a file that does not exist yet. It refuses everything that is not a regular
// file: as root, a file could take the place of /dev/null. It refuses a link that
// belongs neither to root nor to this user: its owner would choose what is written.
// The error is a *fs.PathError.
func Target(path string) (string, error) {
	for range maxLinks {
		link, err := look(path)
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
			return path, nil
		}
		if err != nil {
			return "", &fs.PathError{Op: "write", Path: path, Err: err}
		}
		switch {
		case link == "":
			return path, nil
		case filepath.IsAbs(link):
			path = link
		default: // not cleaned, because .. after a link means another directory
			dir, _ := filepath.Split(path)
			path = dir + link
		}
	}
	return "", &fs.PathError{Op: "write", Path: path, Err: unix.ELOOP}
}

// look returns where the link at path leads, or "" for a regular file.
func look(path string) (string, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return "", err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return "", nil
	case unix.S_IFLNK:
	default:
		return "", notRegular(f)
	}
	if st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return "", fmt.Errorf("a link that user %d made, who could lead it to any file; write the file that it leads to", st.Uid)
	}
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", buf)
	return string(buf[:max(n, 0)]), err
}

func notRegular(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return fmt.Errorf("no regular file (%v); only a regular file can be written", info.Mode())
}

// IsMount reports whether the file at path is a mount of its own, such as a volume's
// subPath. Such a file can be overwritten, but neither replaced nor removed. IsMount is
// false before Linux 5.8, which cannot tell.
func IsMount(path string) bool {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, 0, &st)
	return err == nil && st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0
}

// Overwrite overwrites the file at path, which Target has returned, and syncs it. A
// concurrent reader can see a part of it. Overwrite never makes a file and never waits
// for a reader. If it cannot give the file its mode, it writes nothing. The error is a
// *fs.PathError.
func Overwrite(path string, data []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return &fs.PathError{Op: "write", Path: path, Err: notRegular(f)}
	}
	if info.Mode().Perm() != mode {
		if err := f.Chmod(mode); err != nil {
			return fmt.Errorf("%w; write mode: %#o, which the file has", err, info.Mode().Perm())
		}
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	// Last, so that no reader finds the file empty.
	if err := f.Truncate(int64(len(data))); err != nil {
		return err
	}
	return f.Sync()
}
