package config

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/podhook/podhook/hooks/executable"
)

// The variables that say where hooks come from; errors name them.
const (
	EnvFile = "PODHOOK_CONFIG"
	EnvText = "PODHOOK_CONFIG_YAML"
)

// DefaultDir holds the default file and the directories of scripts.
const DefaultDir = "/etc/podhook"

// defaultFile is the file that is read from the directory where none is given.
const defaultFile = "podhook.yaml"

// Source says where the hooks come from. The zero value is a container with
// nothing configured: /etc/podhook/podhook.yaml where it exists, else the
// directories /etc/podhook/NAME.d.
type Source struct {
	// File is PODHOOK_CONFIG. A file that is given must exist; "" stands for
	// podhook.yaml in Dir, if there is one.
	File string
	// Text is PODHOOK_CONFIG_YAML, the YAML itself. It cannot be given
	// together with File.
	Text string
	// Dir holds the NAME.d directories; "" stands for DefaultDir.
	Dir string
	// Hook is the one hook that is to be run; "" stands for all of them. What
	// is wrong with another hook's scripts or users is then a warning: a broken
	// prestart.d must not cost the drain.
	Hook string
	// Environ is the container's environment, for ${NAME} in values and for PATH.
	Environ []string
}

func (s Source) dir() string {
	return cmp.Or(s.Dir, DefaultDir)
}

// file is the path to read, and whether it must exist.
func (s Source) file() (path string, given bool) {
	if s.File != "" {
		return s.File, true
	}
	return filepath.Join(s.dir(), defaultFile), false
}

// Load reads and checks the hooks for a start. Nothing is run. The error is an
// *Errors with every problem that was found, each with its file and line or its
// variable.
//
// Scripts that cannot be started are an error, but for a call of shutdown or
// poststop, which come at the end of a container: there the others are run, and those
// fail.
func Load(s Source) (*Config, error) {
	stamp := s.Stamp()
	c, err := s.read(nil)
	if err != nil {
		return nil, err
	}
	next, fatal, _ := c.withScripts(nil)
	if err := asErrors(fatal); err != nil {
		return nil, err
	}
	next.stamp = stamp
	return next, nil
}

// Update reads the hooks again and returns what is in force now, which is never nil.
// The error, an *Errors, is why that is not, or not all of, what the source says:
//
//   - A file that is broken, empty or gone, or that names scripts which cannot be
//     started, is refused as a whole: last stays.
//   - A directory of scripts with a file that cannot be started is refused by itself:
//     its scripts that were last good stay. Of those, what cannot be started now fails
//     when the hook is run, after the others.
func Update(s Source, last *Config) (*Config, error) {
	stamp := s.Stamp()
	var refused []Problem
	c, err := s.read(last)
	var tried stamps
	if err == nil {
		next, fatal, bad := c.withScripts(last.good)
		if len(fatal) == 0 {
			next.stamp = stamp
			return next, asErrors(bad)
		}
		err, tried = asErrors(fatal), next.looked
	}
	var broken *Errors
	if errors.As(err, &broken) {
		refused = broken.Problems
	}
	again := *last
	again.source = s
	next, _, bad := again.withScripts(last.good)
	next.stamp = stamp
	next.looked.add(tried)
	all := asErrors(slices.Concat(refused, bad))
	if broken.Unsettled {
		next.stamp = Stamp{} // which is none: there is more to come
		all = broken
	}
	return next, all
}

// read reads the hooks without the scripts of directories.
func (s Source) read(last *Config) (*Config, error) {
	c, err := s.parse(last)
	if err != nil {
		return nil, err
	}
	c.source = s
	if err := asErrors(s.vanished(c, last)); err != nil {
		return nil, err
	}
	failed, warnings := c.checkUsers(s.Hook)
	if err := asErrors(failed); err != nil {
		return nil, err
	}
	c.hints = slices.Concat(c.Warnings, s.unused(c), warnings)
	return c, nil
}

func (s Source) parse(last *Config) (*Config, error) {
	if s.Text != "" {
		if s.File != "" {
			return nil, &Errors{Problems: []Problem{{Field: EnvFile, Value: s.File,
				Msg: EnvText + " is given too; only one of them can say what the hooks are"}}}
		}
		return Parse(EnvText, []byte(s.Text), s.Environ)
	}
	path, given := s.file()
	if !given {
		if _, err := os.Lstat(path); executable.Missing(err) {
			if last != nil && last.Source == EnvText {
				// A step, and podhook in it, does not have the variable.
				return Parse(EnvText, last.text, s.Environ)
			}
			return s.fromDirectories()
		}
	}
	text, err := readFile(path)
	if err != nil {
		return nil, &Errors{Problems: []Problem{fileProblem(path, given, err)}, Unsettled: err == errUnsettled}
	}
	return Parse(path, text, s.Environ)
}

// vanished are the file and the directories that the last configuration came from and
// that are not there any more, so that another one is read, without hooks.
func (s Source) vanished(c, last *Config) (list []Problem) {
	if last == nil || c.text != nil {
		return nil
	}
	gone := func(path string) {
		list = append(list, Problem{Pos: Position{File: path}, Msg: "does not exist any more"})
	}
	if file, _ := s.file(); last.text != nil && last.Source == file {
		gone(file)
	}
	for _, name := range last.dirs {
		if last.Source == c.Source && !slices.Contains(c.dirs, name) {
			gone(filepath.Join(s.dir(), name))
		}
	}
	return list
}

func fileProblem(path string, given bool, err error) Problem {
	if given {
		return Problem{Field: EnvFile, Value: path, Msg: err.Error()}
	}
	return Problem{Pos: Position{File: path}, Msg: err.Error()}
}
