package state

import (
	"io/fs"
	"strconv"

	"golang.org/x/sys/unix"
)

const (
	// spares is the number of files that Reserve keeps. The first record of a run, its
	// last one and the marker need one each, because others may take the space that the
	// replaced files free.
	spares = 3
	// spareSize is the size of each, in bytes: a page, which is also a block of most
	// file systems.
	spareSize = 4096
)

func spareName(i int) string { return "spare." + strconv.Itoa(i) }

// Reserve reserves space for one more run of the hook, in case the file system is full
// then: files that a record can overwrite. It does nothing where they exist.
func (l *Lock) Reserve() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fd < 0 {
		return fs.ErrClosed
	}
	for i := range spares {
		var st unix.Stat_t
		name := spareName(i)
		if unix.Fstatat(l.dirfd, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && st.Size >= spareSize {
			continue
		}
		w := atomicWrite{dirfd: l.dirfd, dir: l.hook.dir, temp: name + ".tmp", name: name, mode: 0o600}
		if err := w.write(make([]byte, spareSize)); err != nil {
			return err
		}
	}
	return nil
}

// Reserved reports whether all files of Reserve exist. It takes no lock.
func (h *Hook) Reserved() bool {
	var st unix.Stat_t
	for i := range spares {
		if unix.Lstat(h.dir+"/"+spareName(i), &st) != nil || st.Size < spareSize {
			return false
		}
	}
	return true
}

// replaceBySpare writes a file of the hook without new space: it overwrites a file of
// Reserve and renames it.
func (l *Lock) replaceBySpare(name string, data []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range spares {
		if len(data) <= spareSize && l.fill(spareName(i), data) &&
			unix.Renameat(l.dirfd, spareName(i), l.dirfd, name) == nil {
			return true
		}
	}
	return false
}

// fill overwrites a file in place.
func (l *Lock) fill(name string, data []byte) bool {
	fd, err := retry(func() (int, error) {
		return unix.Openat(l.dirfd, name, unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	return unix.Fstat(fd, &st) == nil && st.Size >= spareSize &&
		writeAll(fd, data) == nil && unix.Ftruncate(fd, int64(len(data))) == nil
}
