package state

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// SaveMain writes down the main process that podhook has started, for the exec'd
// hooks of this instance to find it. The zero identity is one that podhook will start.
func (s *Store) SaveMain(main MainIdentity) error { return s.saveIdentity("main", main) }

// OwnMain makes this process the one whose main process SaveMain tells, until its
// end. It returns false where another living process of this container is.
func (s *Store) OwnMain() (bool, error) {
	dirfd, err := openDir(s.dir)
	if err != nil {
		return false, pathError("open", s.dir, err)
	}
	defer unix.Close(dirfd)
	path := filepath.Join(s.dir, "main.lock")
	fd, err := s.createTrusted(dirfd, s.dir, "main.lock")
	if err != nil {
		return false, err
	}
	// The descriptor stays open: its end is the process's.
	_, err = retry(func() (int, error) { return 0, unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) })
	if err == nil {
		return true, nil
	}
	unix.Close(fd)
	if err == unix.EWOULDBLOCK {
		return false, nil
	}
	return false, pathError("flock", path, err)
}

// Main is the main process of this instance as SaveMain has written it, and false
// where podhook has started none. The error is an *OwnerError where another user has
// written it, or the system's.
func (s *Store) Main() (MainIdentity, bool, error) { return s.identity("main") }

// SaveSeen writes down which process a target such as name:nginx has led to.
func (s *Store) SaveSeen(target string, found MainIdentity) error {
	return s.saveIdentity(seenName(target), found)
}

// Seen is the process that a target has led to last in this instance, alive or not,
// and false where nobody has found one, or another user says so.
func (s *Store) Seen(target string) (MainIdentity, bool) {
	id, ok, _ := s.identity(seenName(target))
	return id, ok
}

func seenName(target string) string { return "seen-" + shortHash(target) }

func (s *Store) saveIdentity(name string, id MainIdentity) error {
	text := fmt.Sprintf("%s %d %d\n", s.instance.ID, id.PID, id.StartTime)
	return writeFile(filepath.Join(s.dir, name), []byte(text), 0o600, false)
}

func (s *Store) identity(name string) (MainIdentity, bool, error) {
	data, _, err := s.readFile(filepath.Join(s.dir, name), 4096)
	if errors.Is(err, fs.ErrNotExist) {
		return MainIdentity{}, false, nil
	}
	if err != nil {
		return MainIdentity{}, false, err
	}
	var instance string
	var id MainIdentity
	if n, _ := fmt.Sscanf(string(data), "%s %d %d\n", &instance, &id.PID, &id.StartTime); n != 3 || instance != s.instance.ID || data[len(data)-1] != '\n' {
		return MainIdentity{}, false, nil
	}
	return id, true, nil
}
