package state

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// SaveMain saves the main process that podhook has started, so that exec'd hooks of this
// instance find it. The zero identity means that podhook will start it.
func (s *Store) SaveMain(main MainIdentity) error { return s.saveIdentity("main", main) }

// OwnMain makes this process the only one that may call SaveMain, until it ends. It
// returns false where another process of this container is that.
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
	// The descriptor stays open until the process ends.
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

// Main returns the main process that SaveMain has saved in this instance, and false where
// there is none. The error is an *OwnerError where another user has written the file, or
// that of a system call.
func (s *Store) Main() (MainIdentity, bool, error) { return s.identity("main") }

// SaveSeen saves which process a target such as name:nginx has led to.
func (s *Store) SaveSeen(target string, found MainIdentity) error {
	return s.saveIdentity(seenName(target), found)
}

// Seen returns the process that a target has last led to in this instance, and false where
// none was found, or where another user has written the file. The process may have
// exited.
func (s *Store) Seen(target string) (MainIdentity, bool) {
	id, ok, _ := s.identity(seenName(target))
	return id, ok
}

func seenName(target string) string { return "seen-" + shortHash(target) }

func (s *Store) saveIdentity(name string, id MainIdentity) error {
	if s.readOnly {
		return nil
	}
	text := fmt.Sprintf("%s %d %d\n", s.instance.ID, id.PID, id.StartTime)
	return writeFile(filepath.Join(s.dir, name), []byte(text), 0o600, false)
}

func (s *Store) identity(name string) (MainIdentity, bool, error) {
	data, err := s.readFile(filepath.Join(s.dir, name), 4096)
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
