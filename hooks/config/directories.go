package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/podhook/podhook/hooks/executable"
	"github.com/podhook/podhook/hooks/hookname"
)

// fromDirectories makes a hook NAME of each directory NAME.d. Its only step runs the
// scripts.
func (s Source) fromDirectories() (*Config, error) {
	names, err := s.hookDirs()
	if err != nil {
		return nil, &Errors{Problems: []Problem{{Pos: Position{File: s.dir()}, Msg: executable.Explain(s.dir(), err).Error()}}}
	}
	return s.ofDirectories(names)
}

// ofDirectories makes the configuration of the directories with these names. A name
// that is not NAME.d of a hook is an error. If one hook is to run, it is a warning.
func (s Source) ofDirectories(names []string) (*Config, error) {
	c := &Config{Hooks: map[string]*Hook{}, Source: "directories in " + s.dir(), source: s, dirs: names}
	var found []Problem
	for _, name := range names {
		path := filepath.Join(s.dir(), name)
		hook := strings.TrimSuffix(name, ".d")
		if !hookname.Valid(hook) {
			found = append(found, Problem{Pos: Position{File: path}, Value: hook, Msg: hookname.Rule + meantHint(hook)})
			continue
		}
		h := newHook(hook)
		h.Pos = Position{File: path}
		scripts := Scripts{Dir: path}
		h.Steps = []*Step{{Name: defaultName(scripts), Action: scripts,
			KillAfter: defaultKillAfter, OnFailure: Fail, Pos: h.Pos}}
		c.Hooks[hook] = h
	}
	if s.Hook != "" {
		c.Warnings = found
	} else if err := asErrors(found); err != nil {
		return nil, err
	}
	addBuiltin(c.Hooks)
	return c, nil
}

// hookDirs lists the names of the directories NAME.d and of links to such, in byte
// order. It returns none if s.dir() does not exist.
func (s Source) hookDirs() ([]string, error) {
	entries, err := os.ReadDir(s.dir())
	if executable.Missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, ".") || !strings.HasSuffix(name, ".d") {
			continue
		}
		// A broken link stays in the list: the listing of its scripts says why.
		info, err := os.Stat(filepath.Join(s.dir(), name))
		if err != nil || info.IsDir() {
			names = append(names, name)
		}
	}
	return names, nil
}

// unused warns of a default file and of directories that are not read because the hooks
// come from elsewhere.
func (s Source) unused(c *Config) []Problem {
	if c.text == nil {
		return nil
	}
	used := map[string]bool{}
	for _, h := range c.Hooks {
		for _, step := range h.Each {
			if scripts, ok := step.Action.(Scripts); ok {
				used[filepath.Clean(scripts.Dir)] = true
			}
		}
	}
	names, err := s.hookDirs()
	if err != nil {
		return nil
	}
	var list []Problem
	file := filepath.Join(s.dir(), defaultFile)
	if _, err := os.Lstat(file); err == nil && filepath.Clean(c.Source) != file {
		list = append(list, Problem{Pos: Position{File: file}, Msg: "not used, because the hooks come from " + c.Source})
	}
	for _, name := range names {
		path := filepath.Join(s.dir(), name)
		if !used[path] {
			list = append(list, Problem{Pos: Position{File: path}, Msg: fmt.Sprintf(
				"not used, because the hooks come from %s; a step there can run it by scripts: %s", c.Source, path)})
		}
	}
	return list
}
