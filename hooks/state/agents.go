package state

import (
	"errors"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// agentsName is a file that agents hold a lock on.
const agentsName = "agents"

// MarkAgent marks this process as an agent until it ends, for HasAgent.
func (s *Store) MarkAgent() error {
	dirfd, err := openDir(s.dir)
	if err != nil {
		return pathError("open", s.dir, err)
	}
	defer unix.Close(dirfd)
	fd, err := s.createTrusted(dirfd, s.dir, agentsName)
	if err != nil {
		return err
	}
	// The descriptor stays open until the process ends.
	_, err = retry(func() (int, error) { return 0, unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB) })
	if err != nil {
		unix.Close(fd)
		return pathError("flock", filepath.Join(s.dir, agentsName), err)
	}
	return nil
}

// HasAgent reports whether a process marked by MarkAgent lives, in any container that
// shares the state.
func (s *Store) HasAgent() (bool, error) {
	path := filepath.Join(s.dir, agentsName)
	fd, _, err := s.openTrusted(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer unix.Close(fd)
	_, err = retry(func() (int, error) { return 0, unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) })
	if err != nil && err != unix.EWOULDBLOCK {
		return false, pathError("flock", path, err)
	}
	return err != nil, nil
}
