package state

import (
	"fmt"
	"path/filepath"
)

// SaveMain writes down the main process that podhook has started, for the exec'd
// hooks of this instance to find it. The zero identity is one that podhook will start.
func (s *Store) SaveMain(main MainIdentity) error { return s.saveIdentity("main", main) }

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
