package state

import (
	"fmt"
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
	fd, err := createAt(dirfd, "main.lock", 0)
	if err != nil {
		return false, pathError("open", path, err)
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
// where podhook has started none.
func (s *Store) Main() (MainIdentity, bool) { return s.identity("main") }

// SaveSeen writes down which process a target such as name:nginx has led to.
func (s *Store) SaveSeen(target string, found MainIdentity) error {
	return s.saveIdentity(seenName(target), found)
}

// Seen is the process that a target has led to last in this instance, alive or not,
// and false where nobody has found one.
func (s *Store) Seen(target string) (MainIdentity, bool) { return s.identity(seenName(target)) }

func seenName(target string) string { return "seen-" + shortHash(target) }

func (s *Store) saveIdentity(name string, id MainIdentity) error {
	text := fmt.Sprintf("%s %d %d\n", s.instance.ID, id.PID, id.StartTime)
	return WriteFileAtomic(filepath.Join(s.dir, name), []byte(text), 0o600)
}

func (s *Store) identity(name string) (MainIdentity, bool) {
	data, _, err := readFile(filepath.Join(s.dir, name), 4096)
	if err != nil {
		return MainIdentity{}, false
	}
	var instance string
	var id MainIdentity
	if n, _ := fmt.Sscanf(string(data), "%s %d %d", &instance, &id.PID, &id.StartTime); n != 3 || instance != s.instance.ID {
		return MainIdentity{}, false
	}
	return id, true
}
