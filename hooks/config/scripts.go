package config

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/podhook/podhook/hooks/executable"
)

// Script is one script of a directory.
type Script struct {
	// Name is its file name, Path its whole path, as given, links not followed.
	Name, Path string
	// Argv starts it: the path alone, or its interpreter, at most one argument
	// of it, and the path.
	Argv []string
}

// ListScripts looks through a directory for the scripts of a step, in byte
// order of their names: regular files and links to them, without dot-files and
// what editors and package managers leave behind. Directories are passed over
// with a warning; match is a pattern of path.Match that names must match, or "".
// The error is an *Errors with everything that could not be started; each
// problem's position is the file.
func ListScripts(dir, match string, search executable.Search) (scripts []Script, warnings []Problem, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, &Errors{Problems: []Problem{{Pos: Position{File: dir}, Msg: dirProblem(dir, err)}}}
	}
	var found problems
	for _, e := range entries {
		if ignored(e.Name()) || !matches(match, e.Name()) {
			continue
		}
		file := filepath.Join(dir, e.Name())
		pos := Position{File: file}
		if info, err := os.Stat(file); err == nil && info.IsDir() {
			warnings = append(warnings, Problem{Pos: pos, Msg: "a directory; passed over, only files are run"})
			continue
		}
		argv, warning, err := search.Command(file)
		if err == nil {
			scripts = append(scripts, Script{Name: e.Name(), Path: file, Argv: argv})
		} else if _, gone := os.Lstat(file); !executable.Missing(gone) {
			// What has gone since the listing, as in a ConfigMap's update, is
			// no problem.
			found.add(Problem{Pos: pos, Msg: err.Error()})
		}
		if warning != "" {
			warnings = append(warnings, Problem{Pos: pos, Msg: warning})
		}
	}
	if err := found.err(); err != nil {
		return nil, warnings, err
	}
	if match != "" && len(scripts) == 0 {
		warnings = append(warnings, Problem{Pos: Position{File: dir}, Value: match, Msg: "matches none of the scripts"})
	}
	return scripts, warnings, nil
}

func matches(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return pattern == "" || err == nil && ok
}

func dirProblem(dir string, err error) string {
	if info, statErr := os.Stat(dir); statErr == nil && !info.IsDir() {
		return executable.Type(info.Mode()) + "; a directory of scripts is needed"
	}
	return executable.Explain(dir, err).Error() + "; a directory of scripts is needed"
}

// ignored names are no scripts: dot-files (among them a ConfigMap's ..data) and
// what editors, patch(1), dpkg and rpm leave beside a file.
func ignored(name string) bool {
	switch {
	case strings.HasPrefix(name, "."), strings.HasSuffix(name, "~"),
		strings.HasPrefix(name, "#") && strings.HasSuffix(name, "#"):
		return true
	case strings.Contains(name, ".dpkg-"):
		return true
	}
	switch filepath.Ext(name) {
	case ".swp", ".swo", ".swx", ".bak", ".orig", ".rej", ".rpmsave", ".rpmnew", ".rpmorig", ".ucf-old", ".ucf-new", ".ucf-dist":
		return true
	}
	return false
}

// checkScripts lists the scripts of every step. Those of another hook than the
// one that is to be run give warnings only.
func (c *Config) checkScripts(only string) (failed, warnings []Problem) {
	for _, h := range c.inOrder() {
		for name, s := range h.Each {
			scripts, ok := s.Action.(Scripts)
			if !ok {
				continue
			}
			_, notes, err := ListScripts(scripts.Dir, scripts.Match, c.search(s))
			warnings = append(warnings, notes...)
			var errs *Errors
			if !errors.As(err, &errs) {
				continue
			}
			for _, p := range errs.Problems {
				p.Field = fmt.Sprintf("hooks.%s, step %s", h.Name, name)
				if only == "" || only == h.Name {
					failed = append(failed, p)
				} else {
					warnings = append(warnings, p)
				}
			}
		}
	}
	return failed, warnings
}
