package config

import (
	"cmp"
	"os"
	"path/filepath"

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
	// is wrong with the scripts of another hook is then a warning: a broken
	// prestart.d must not cost the drain.
	Hook string
	// Environ is the container's environment, for ${NAME} in values.
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

// Load reads and checks the hooks. Nothing is run. The error is an *Errors with
// every problem that was found, each with its file and line or its variable.
func Load(s Source) (*Config, error) {
	c, err := s.read()
	if err != nil {
		return nil, err
	}
	c.Warnings = append(c.Warnings, s.unused(c)...)
	failed, warnings := c.checkScripts(s.Hook)
	c.Warnings = append(c.Warnings, warnings...)
	failed = append(failed, c.checkUsers()...)
	var found problems
	found.add(failed...)
	if err := found.err(); err != nil {
		return nil, err
	}
	return c, nil
}

func (s Source) read() (*Config, error) {
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
			return s.fromDirectories()
		}
	}
	text, err := readFile(path)
	if err != nil {
		return nil, &Errors{Problems: []Problem{fileProblem(path, given, err)}}
	}
	return Parse(path, text, s.Environ)
}

func fileProblem(path string, given bool, err error) Problem {
	if given {
		return Problem{Field: EnvFile, Value: path, Msg: err.Error()}
	}
	return Problem{Pos: Position{File: path}, Msg: err.Error()}
}
