package config

import (
	"bytes"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Stamp stands for the state of a source at one moment. Two stamps of a source
// are equal (==) as long as it has not changed.
type Stamp struct{ text string }

// Stamp looks whether and how the source is there, without reading it: a
// handful of system calls, cheap enough for every request. Take it before Load,
// so that a change in between shows at the next look.
//
// A ConfigMap's update swaps the link ..data: the file that the path leads to is
// then another one, with another inode. The NAME.d directories count only where
// there is no file.
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

// Fresh is true as long as neither the source of a configuration nor the scripts of
// its steps have changed since it was read. It costs a stat of each.
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

// stamps are the files that were looked at, and how they were.
type stamps struct {
	paths []string
	text  []byte
}

// look writes what tells two states of a file apart. The time of the last status
// change is among it: it cannot be set back, as touch(1) does with the other one.
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
