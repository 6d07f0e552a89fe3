package config

import (
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
)

// inOrder are the hooks in the order of the file.
func (c *Config) inOrder() []*Hook {
	return slices.SortedStableFunc(maps.Values(c.Hooks), func(a, b *Hook) int {
		if a.Pos.Line != b.Pos.Line {
			return a.Pos.Line - b.Pos.Line
		}
		return strings.Compare(a.Name, b.Name)
	})
}

// Preflight looks whether the programs and directories that steps name are here
// and usable for this user. They may still be mounted or made before a hook is
// called, so a start only warns of them.
func (c *Config) Preflight() []Problem {
	var list []Problem
	for _, h := range c.inOrder() {
		add := func(pos Position, field, value, msg string) {
			list = append(list, Problem{Pos: pos, Field: field, Value: value, Msg: msg})
		}
		if dir := path.Dir(h.Marker); h.Marker != "" {
			if msg := badDir(dir); msg != "" {
				add(h.Pos, "hooks."+h.Name+".marker", h.Marker, "its directory "+msg)
			}
		}
		for name, s := range h.Each {
			field := fmt.Sprintf("hooks.%s, step %s", h.Name, name)
			if s.WorkingDir != "" {
				if msg := badDir(s.WorkingDir); msg != "" {
					add(s.Pos, field+", workingDir", s.WorkingDir, msg)
				}
			}
			if exec, ok := s.Action.(Exec); ok {
				if msg := badProgram(exec.Argv[0]); msg != "" {
					add(s.Pos, field+", exec", exec.Argv[0], msg)
				}
			}
		}
	}
	return list
}

// checkUsers refuses steps that this process cannot run as their user.
func (c *Config) checkUsers() (failed []Problem) {
	for _, h := range c.inOrder() {
		for name, s := range h.Each {
			if s.User == nil {
				continue
			}
			if msg := s.User.problem(); msg != "" {
				failed = append(failed, Problem{Pos: s.Pos, Field: fmt.Sprintf("hooks.%s, step %s, user", h.Name, name),
					Value: s.User.String(), Msg: msg})
			}
		}
	}
	return failed
}

func badDir(dir string) string {
	info, err := os.Stat(dir)
	if err != nil {
		return explain(dir, err).Error()
	}
	if !info.IsDir() {
		return fileType(info.Mode()) + "; a directory is needed"
	}
	return ""
}

// badProgram says why the kernel would not start a program. A relative path
// depends on the directory that the hook runs in and is left alone.
func badProgram(name string) string {
	switch {
	case path.IsAbs(name):
	case strings.Contains(name, "/"):
		return ""
	default:
		if name = inPath(name); name == "" {
			return "not found in the PATH"
		}
	}
	if info, err := os.Stat(name); err != nil {
		return explain(name, err).Error()
	} else if !info.Mode().IsRegular() {
		return fileType(info.Mode()) + "; a program is needed"
	}
	if err := executable(name); err != nil {
		return err.Error()
	}
	// A program need not be readable; then there is no more to know of it.
	if _, warning, err := startable(name); err == nil {
		return warning
	} else if _, readErr := readHead(name); readErr != nil {
		return ""
	} else {
		return err.Error()
	}
}
