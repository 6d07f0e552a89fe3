package config

import (
	"bytes"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Stamp identifies the state of a source. Two stamps of a source are equal (==) if the
// source has not changed in between.
type Stamp struct{ text string }

// Stamp returns the stamp of the source. It does not read the source: it takes a few
// system calls, which is cheap enough for every request. Take it before Load, so that a
// change in between is noticed.
//
// The update of a ConfigMap swaps the link ..data, so that the path leads to another
// inode. The directories NAME.d are part of the stamp only if there is no file.
func (s Source) Stamp() Stamp {
	if s.Text != "" {
		return Stamp{"text"}
	}
	path, given := s.file()
	var all stamps
	all.look(path)
	var st unix.Stat_t
	if !given && unix.Lstat(path, &st) != nil {
		names, err := s.hookDirs()
		if err != nil {
			all.text = append(all.text, err.Error()...)
		}
		for _, name := range names {
			all.look(filepath.Join(s.dir(), name))
		}
	}
	return Stamp{string(all.text)}
}

// Fresh reports whether neither the source of the configuration nor the scripts of its
// steps have changed since it was read. It makes a stat(2) for each.
func (c *Config) Fresh() bool {
	if c.source.Stamp() != c.stamp {
		return false
	}
	var now stamps
	for _, path := range c.looked.paths {
		now.look(path)
	}
	return bytes.Equal(now.text, c.looked.text)
}

// stamps holds the paths and the states of files.
type stamps struct {
	paths []string
	text  []byte
}

// look adds a file. Its state includes the time of the last status change, which, unlike
// the time of modification, cannot be set by touch(1).
func (s *stamps) look(path string) {
	s.paths = append(s.paths, path)
	s.text = append(s.text, stampOf(path)...)
}

func (s *stamps) add(other stamps) {
	s.paths = append(s.paths, other.paths...)
	s.text = append(s.text, other.text...)
}

func stampOf(path string) string {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return fmt.Sprintln(path, err)
	}
	return fmt.Sprintln(path, st.Dev, st.Ino, st.Size, st.Mtim.Nano(), st.Ctim.Nano())
}
