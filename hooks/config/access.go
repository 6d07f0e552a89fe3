package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/executable"
)

// badParent returns why nothing can be made, replaced or removed at a path: its
// directory must exist and be writable. absent is true if there is no directory yet;
// a volume may still bring it.
func badParent(at string) (msg string, absent bool) {
	dir := path.Dir(at)
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		_, gone := os.Lstat(dir)
		return "its directory: " + executable.Explain(dir, err).Error(), executable.Missing(gone)
	case !info.IsDir():
		return "its directory: " + executable.Type(info.Mode()) + "; a directory is needed", false
	}
	switch err := unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS); {
	case err == nil:
		return "", false
	case errors.Is(err, unix.EROFS):
		return "its directory is on a read-only mount", false
	default:
		return fmt.Sprintf("its directory cannot be written by user %d: %v", executable.User(), err), false
	}
}

// badSource returns why a file cannot be read. absent is true if there is no file yet.
func badSource(file string) (msg string, absent bool) {
	if file == "" {
		return "", false
	}
	_, err := executable.ReadHead(file)
	if err != nil {
		_, gone := os.Lstat(file)
		return err.Error(), executable.Missing(gone)
	}
	return "", false
}

// exposed returns the first world-writable part of a file's path, or "": the file, or a
// directory in which every user can replace it. A directory with the sticky bit is not
// one: only owners can replace files there.
func exposed(file string) string {
	ways := []string{file}
	// A link leads to a second path.
	if fd, err := unix.Open(file, unix.O_PATH|unix.O_CLOEXEC, 0); err == nil {
		if real, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd)); err == nil && real != file {
			ways = append(ways, real)
		}
		unix.Close(fd)
	}
	for _, at := range ways {
		for ; ; at = path.Dir(at) {
			info, err := os.Lstat(at)
			if err == nil && (info.IsDir() && info.Mode()&fs.ModeSticky == 0 || info.Mode().IsRegular()) && anybodys(at, info) {
				return at
			}
			if len(at) <= 1 {
				break
			}
		}
	}
	return ""
}

// anybodys reports whether every user can write to a file or directory.
func anybodys(at string, info fs.FileInfo) bool {
	var mount unix.Statfs_t
	return info.Mode()&0o002 != 0 && (unix.Statfs(at, &mount) != nil || mount.Flags&unix.ST_RDONLY == 0)
}

// Writable returns an error if a file cannot be written, or cannot be made.
func Writable(file string) error {
	if _, err := os.Stat(file); err == nil {
		if unix.Faccessat(unix.AT_FDCWD, file, unix.W_OK, unix.AT_EACCESS) != nil {
			return fmt.Errorf("cannot be written by user %d", executable.User())
		}
	} else if msg, _ := badParent(file); msg != "" {
		return errors.New(msg)
	}
	return nil
}
