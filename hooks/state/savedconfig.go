package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// maxConfig bounds config.json, in bytes.
const maxConfig = 4 << 20

// savedConfig is config.json.
type savedConfig struct {
	Version  int    `json:"version"`
	Instance string `json:"instance"`
	Source   string `json:"source"`
	Text     []byte `json:"text"`
}

// SaveConfig keeps a configuration that was found good, and where it came
// from, so that a broken change of it does not make exec'd hooks and the agent
// go by different rules. It writes nothing where the same is already kept.
func (s *Store) SaveConfig(text []byte, source string) error {
	old, err := s.readConfig()
	if err == nil && old.Source == source && string(old.Text) == string(text) {
		return nil
	}
	data, err := json.Marshal(savedConfig{recordVersion, s.instance.ID, source, text})
	if err != nil {
		return err
	}
	if len(data) > maxConfig {
		return fmt.Errorf("configuration from %s: %d bytes are more than can be kept (%d)", source, len(data), maxConfig)
	}
	return s.writeConfig(data)
}

// LastConfig is what SaveConfig kept last in this instance, by any process,
// and false where there is none.
func (s *Store) LastConfig() (text []byte, source string, ok bool, err error) {
	c, err := s.readConfig()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", false, nil
	}
	if err != nil {
		return nil, "", false, err
	}
	return c.Text, c.Source, true, nil
}

// readConfig gives fs.ErrNotExist for one of another instance too.
func (s *Store) readConfig() (savedConfig, error) {
	path := filepath.Join(s.dir, "config.json")
	data, _, err := readFile(path, maxConfig)
	if err != nil {
		return savedConfig{}, err
	}
	var c savedConfig
	if err := json.Unmarshal(data, &c); err != nil {
		return savedConfig{}, &RecordError{path, err}
	}
	if c.Version != recordVersion {
		return savedConfig{}, &RecordError{path, &VersionError{c.Version}}
	}
	if c.Instance != s.instance.ID {
		return savedConfig{}, fs.ErrNotExist
	}
	return c, nil
}

// writeConfig lets one process write at a time: the temporary file has one name.
func (s *Store) writeConfig(data []byte) error {
	dirfd, err := openDir(s.dir)
	if err != nil {
		return pathError("open", s.dir, err)
	}
	defer unix.Close(dirfd)
	fd, err := createAt(dirfd, "config.lock", 0)
	if err != nil {
		return pathError("open", s.dir+"/config.lock", err)
	}
	defer unix.Close(fd)
	if _, err := retry(func() (int, error) { return 0, unix.Flock(fd, unix.LOCK_EX) }); err != nil {
		return pathError("flock", s.dir+"/config.lock", err)
	}
	w := atomicWrite{dirfd: dirfd, dir: s.dir, temp: "config.json.tmp", name: "config.json", mode: 0o600}
	return w.write(data)
}
