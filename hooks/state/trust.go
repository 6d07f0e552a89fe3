package state

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// trust refuses a file or a directory that another user has made or can change. Otherwise
// podhook would run that user's commands, or believe that a hook has succeeded. The error
// wraps an *OwnerError. A Store that only shows the state trusts everything.
func (s *Store) trust(path string, st *unix.Stat_t) error {
	if s.show || trusted(st) {
		return nil
	}
	return ownerError(path, st)
}

func ownerError(path string, st *unix.Stat_t) error {
	mode := fs.FileMode(st.Mode & 0o777)
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		mode |= fs.ModeSymlink
	}
	return fmt.Errorf("%s: %w", path, &OwnerError{path, st.Uid, mode})
}

// trusted reports whether only this user and root can have written a file. kubelet makes
// the files of a volume writable for the pod's fsGroup, which every container has. So
// write access for a group that this process has is trusted, except for root.
func trusted(st *unix.Stat_t) bool {
	euid := os.Geteuid()
	if int(st.Uid) != euid && st.Uid != 0 || st.Mode&0o002 != 0 {
		return false
	}
	return st.Mode&0o020 == 0 || st.Gid == 0 || euid != 0 && inGroup(int(st.Gid))
}

func inGroup(gid int) bool {
	groups, _ := os.Getgroups() // on an error only the effective group counts
	return gid == os.Getegid() || slices.Contains(groups, gid)
}

// trustOpen is trust for an open file.
func (s *Store) trustOpen(path string, fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return pathError("fstat", path, err)
	}
	return s.trust(path, &st)
}

// createTrusted opens a file whose content does not matter, and makes it if it is
// missing.
func (s *Store) createTrusted(dirfd int, dir, name string) (int, error) {
	path := filepath.Join(dir, name)
	fd, err := createAt(dirfd, name, 0)
	if err != nil {
		return -1, pathError("open", path, err)
	}
	if err := s.trustOpen(path, fd); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// openTrusted opens a regular file that podhook has made. It does not follow a link and
// does not wait for a FIFO.
func (s *Store) openTrusted(path string) (fd int, st unix.Stat_t, err error) {
	fd, err = retry(func() (int, error) {
		return unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	})
	if err == unix.ELOOP && unix.Lstat(path, &st) == nil {
		return -1, st, ownerError(path, &st)
	}
	if err != nil {
		return -1, st, pathError("open", path, err)
	}
	err = unix.Fstat(fd, &st)
	if err != nil {
		err = pathError("fstat", path, err)
	} else if st.Mode&unix.S_IFMT != unix.S_IFREG {
		err = &RecordError{path, fmt.Errorf("must be a regular file")}
	} else {
		err = s.trust(path, &st)
	}
	if err != nil {
		unix.Close(fd)
		return -1, st, err
	}
	return fd, st, nil
}

// readFile reads a file of at most limit bytes that podhook has made.
func (s *Store) readFile(path string, limit int64) ([]byte, error) {
	fd, st, err := s.openTrusted(path)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	if st.Size > limit {
		return nil, &RecordError{path, fmt.Errorf("must have at most %d bytes", limit)}
	}
	data := make([]byte, st.Size)
	n := 0
	for n < len(data) {
		m, err := retry(func() (int, error) { return unix.Read(fd, data[n:]) })
		if err != nil {
			return nil, pathError("read", path, err)
		}
		if m == 0 {
			break
		}
		n += m
	}
	return data[:n], nil
}
