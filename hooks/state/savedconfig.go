package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// maxConfig bounds config.json, in bytes.
const maxConfig = 4 << 20

// savedConfig is config.json.
type savedConfig struct {
	Instance string `json:"instance"` // first: see ofInstance
	Version  int    `json:"version"`
	Source   string `json:"source"`
	Text     []byte `json:"text"`
}

// SaveConfig saves a valid configuration and its source, so that exec'd hooks and the
// agent use the same one after a broken change. It writes nothing where the same is saved
// already, or where the state is only shown.
func (s *Store) SaveConfig(text []byte, source string) error {
	if s.readOnly {
		return nil
	}
	old, err := s.readConfig()
	if err == nil && old.Source == source && string(old.Text) == string(text) {
		return nil
	}
	data, err := json.Marshal(savedConfig{s.instance.ID, recordVersion, source, text})
	if err != nil {
		return err
	}
	if len(data) > maxConfig {
		return fmt.Errorf("configuration from %s: %d bytes are more than can be kept (%d)", source, len(data), maxConfig)
	}
	return s.writeConfig(data)
}

// LastConfig returns what any process of this instance has saved last by SaveConfig, and
// false where there is nothing. The error is an *OwnerError where another user has made or
// can change the file.
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

// readConfig returns fs.ErrNotExist for a configuration of another instance too.
func (s *Store) readConfig() (savedConfig, error) {
	path := filepath.Join(s.dir, "config.json")
	data, err := s.readFile(path, maxConfig)
	if err != nil {
		return savedConfig{}, err
	}
	var c savedConfig
	if !ofInstance(data, s.instance.ID) {
		return savedConfig{}, fs.ErrNotExist
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return savedConfig{}, &RecordError{path, err}
	}
	if c.Version != recordVersion {
		return savedConfig{}, &RecordError{path, &VersionError{c.Version}}
	}
	return c, nil
}

// configPatience is how long SaveConfig waits for another writer.
const configPatience = time.Second

// writeConfig lets one process write at a time, because the temporary file has a fixed
// name.
func (s *Store) writeConfig(data []byte) error {
	dirfd, err := openDir(s.dir)
	if err != nil {
		return pathError("open", s.dir, err)
	}
	defer unix.Close(dirfd)
	path := filepath.Join(s.dir, "config.lock")
	fd, err := s.createTrusted(dirfd, s.dir, "config.lock")
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	ctx, cancel := context.WithTimeout(context.Background(), configPatience)
	defer cancel()
	if err := flockWithin(ctx, fd); err != nil {
		return pathError("flock", path, err)
	}
	w := atomicWrite{dirfd: dirfd, dir: s.dir, temp: "config.json.tmp", name: "config.json", mode: 0o600}
	return w.write(data)
}
