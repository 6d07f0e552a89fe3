package state

import (
	"fmt"
	"path/filepath"
)

// SaveMain writes down the main process that podhook has started, for the exec'd
// hooks of this instance to find it. The zero identity is one that podhook will start.
func (s *Store) SaveMain(main MainIdentity) error {
	text := fmt.Sprintf("%s %d %d\n", s.instance.ID, main.PID, main.StartTime)
	return WriteFileAtomic(s.mainPath(), []byte(text), 0o600)
}

// Main is the main process of this instance as SaveMain has written it, and false
// where podhook has started none.
func (s *Store) Main() (MainIdentity, bool) {
	data, _, err := readFile(s.mainPath(), 4096)
	if err != nil {
		return MainIdentity{}, false
	}
	var instance string
	var main MainIdentity
	if n, _ := fmt.Sscanf(string(data), "%s %d %d", &instance, &main.PID, &main.StartTime); n != 3 || instance != s.instance.ID {
		return MainIdentity{}, false
	}
	return main, true
}

func (s *Store) mainPath() string { return filepath.Join(s.dir, "main") }
