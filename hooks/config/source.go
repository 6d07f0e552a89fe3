package config

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/podhook/podhook/hooks/executable"
)

// The variables that say where hooks come from. Errors name them.
const (
	EnvFile = "PODHOOK_CONFIG"
	EnvText = "PODHOOK_CONFIG_YAML"
)

// DefaultDir holds the default file and the directories of scripts.
const DefaultDir = "/etc/podhook"

// defaultFile is the file in the directory that is read by default.
const defaultFile = "podhook.yaml"

// Source says where the hooks come from. The zero value means /etc/podhook/podhook.yaml
// if that exists, or else the directories /etc/podhook/NAME.d.
type Source struct {
	// File is PODHOOK_CONFIG, a file that must exist. With "" it is podhook.yaml in Dir,
	// if that exists.
	File string
	// Text is PODHOOK_CONFIG_YAML, the YAML itself. File and Text exclude each other.
	Text string
	// TextName is what problems call Text. With "" it is PODHOOK_CONFIG_YAML.
	TextName string
	// Dir holds podhook.yaml and the directories NAME.d. With "" it is DefaultDir.
	Dir string
	// Hook is the one hook that is to run, or "" for all. Problems with the scripts and
	// users of other hooks are then warnings: a broken prestart.d must not prevent
	// shutdown.
	Hook string
	// Environ is the container's environment, for ${NAME} in values and for PATH.
	Environ []string
}

func (s Source) dir() string {
	return cmp.Or(s.Dir, DefaultDir)
}

// file returns the path to read, and whether it must exist.
func (s Source) file() (path string, given bool) {
	if s.File != "" {
		return s.File, true
	}
	return filepath.Join(s.dir(), defaultFile), false
}

// Load reads and checks the hooks for a start. It runs nothing. The error is an *Errors
// with all problems, each with its file and line, or its variable.
//
// A script that cannot be started is an error, except for a call of shutdown or poststop
// (Source.Hook), which come at the end of a container: the other scripts run, and then the
// hook fails.
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

// Inspect is Load for a person who wants to see all problems at once: it goes on with
// what could be read. With syntaxOnly it looks at the text alone, and not at users and
// scripts, and a variable that is not set is a warning. The configuration is never nil.
func Inspect(s Source, syntaxOnly bool) (*Config, []Problem) {
	c, err := s.parse(nil)
	var list []Problem
	var broken *Errors
	if errors.As(err, &broken) {
		list = broken.Problems
	}
	if c == nil {
		c = &Config{Hooks: map[string]*Hook{}}
		addBuiltin(c.Hooks)
	}
	if c.source = s; syntaxOnly {
		list, c.Warnings = split(list, c.Warnings)
		return c, list
	}
	failed, warnings := c.checkUsers("")
	c.hints = slices.Concat(c.Warnings, s.unused(c), warnings)
	next, fatal, _ := c.withScripts(nil)
	return next, slices.Concat(list, failed, fatal)
}

// split moves the variables that are not set to the warnings.
func split(list, warnings []Problem) (failed, all []Problem) {
	for _, p := range list {
		if p.unset {
			warnings = append(warnings, p)
		} else {
			failed = append(failed, p)
		}
	}
	return failed, warnings
}

// Update reads the hooks again and returns the configuration in force now, which is never
// nil. The error, an *Errors, says which part of the source was refused:
//
//   - A file that is broken, empty or gone, or that names scripts which cannot be started,
//     is refused as a whole. last stays in force.
//   - A directory of scripts with a file that cannot be started is refused alone. Its
//     scripts that were last good stay in force. Those that cannot be started any more
//     fail when the hook runs, after the others.
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
		next.stamp = Stamp{} // never equal, so that the next call reads again
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

// parse reads the text alone. With an error it returns what could be read, or nil.
func (s Source) parse(last *Config) (*Config, error) {
	if s.Text != "" {
		if s.File != "" {
			return nil, &Errors{Problems: []Problem{{Field: EnvFile, Value: s.File,
				Msg: EnvText + " is given too; only one of them can say what the hooks are"}}}
		}
		return parse(cmp.Or(s.TextName, EnvText), []byte(s.Text), s.Environ)
	}
	path, given := s.file()
	if !given {
		if _, err := os.Lstat(path); executable.Missing(err) {
			if last != nil && last.Source == EnvText {
				// podhook in a step does not have the variable.
				return parse(EnvText, last.text, s.Environ)
			}
			return s.fromDirectories()
		}
	}
	text, err := readFile(path)
	if err != nil {
		return nil, &Errors{Problems: []Problem{fileProblem(path, given, err)}, Unsettled: err == errUnsettled}
	}
	return parse(path, text, s.Environ)
}

// vanished returns a problem for the file and the directories that the last configuration
// came from and that do not exist any more. Without it, their hooks would silently be gone.
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
