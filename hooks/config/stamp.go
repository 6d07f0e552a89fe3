package config

import (
	"fmt"
	"path/filepath"
	"strings"

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
	var text strings.Builder
	stampFile(&text, path)
	var st unix.Stat_t
	if !given && unix.Lstat(path, &st) != nil {
		names, err := s.hookDirs()
		if err != nil {
			text.WriteString(err.Error())
		}
		for _, name := range names {
			stampFile(&text, filepath.Join(s.dir(), name))
		}
	}
	return Stamp{text.String()}
}

// stampFile writes what tells two states of a file apart. The time of the last
// status change is among it: it cannot be set back, as touch(1) does with the
// other one.
func stampFile(text *strings.Builder, path string) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		fmt.Fprintln(text, path, err)
		return
	}
	fmt.Fprintln(text, path, st.Dev, st.Ino, st.Size, st.Mtim.Nano(), st.Ctim.Nano())
}
