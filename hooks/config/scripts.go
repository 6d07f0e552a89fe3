package config

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/podhook/podhook/hooks/executable"
)

// maxSteps bounds the steps of a hook; each script counts as one. The record of a run
// holds all of them and is written after each.
const maxSteps = 1000

// Script is one script of a directory.
type Script struct {
	// Name is the file name and Path the whole path, with links not resolved. Both are
	// "" if the directory cannot be read.
	Name, Path string
	// Argv is the command: the path, or the interpreter with at most one argument and
	// the path.
	Argv []string
	// Err says why the script cannot be run. Such scripts come after the others.
	Err error
}

// Scripts returns the scripts of a step in the order of their execution: those that the
// directory had when the configuration was read, or those that were last good.
func (h *Hook) Scripts(a Scripts) []Script { return h.scripts[a] }

// listing is the content of a directory of scripts.
type listing struct {
	good []Script
	// bad lists what cannot be started. The position of a problem is the script, or the
	// directory.
	bad, warnings []Problem
	looked        stamps
}

// listSettled lists again, after a short wait, if a script that cannot be started has
// just been written: its writer may not be done.
func (a Scripts) listSettled(search executable.Search) listing {
	l := a.list(search)
	wait := time.Duration(0)
	for _, p := range l.bad {
		wait = max(wait, unsettled(p.Pos.File))
	}
	if wait == 0 {
		return l
	}
	time.Sleep(wait)
	return a.list(search)
}

// list lists the scripts of a directory in byte order of their names: regular files and
// links to such, except dot-files and the back-ups of editors and package managers. It
// skips directories with a warning. It stamps each file before it looks at it.
func (a Scripts) list(search executable.Search) (l listing) {
	l.looked.look(a.Dir)
	entries, err := os.ReadDir(a.Dir)
	if err != nil {
		l.bad = []Problem{{Pos: Position{File: a.Dir}, Msg: dirProblem(a.Dir, err)}}
		return l
	}
	for _, e := range entries {
		if ignored(e.Name()) || !matches(a.Match, e.Name()) {
			continue
		}
		file := filepath.Join(a.Dir, e.Name())
		l.looked.look(file)
		pos := Position{File: file}
		if info, err := os.Stat(file); err == nil && info.IsDir() {
			l.warnings = append(l.warnings, Problem{Pos: pos, Msg: "a directory; passed over, only files are run"})
			continue
		}
		argv, warning, err := search.Command(file)
		if err == nil {
			l.good = append(l.good, Script{Name: e.Name(), Path: file, Argv: argv})
		} else if _, gone := os.Lstat(file); !executable.Missing(gone) {
			// A file that is gone since ReadDir, as after the update of a ConfigMap, is
			// no problem.
			l.bad = append(l.bad, Problem{Pos: pos, Msg: err.Error()})
		}
		if warning != "" {
			l.warnings = append(l.warnings, Problem{Pos: pos, Msg: warning})
		}
	}
	if a.Match != "" && len(l.good)+len(l.bad) == 0 {
		l.warnings = append(l.warnings, Problem{Pos: Position{File: a.Dir}, Value: a.Match, Msg: "matches none of the scripts"})
	}
	return l
}

// last returns the scripts that were last good: first those that can still be started,
// then the others, which fail.
func (a Scripts) last(names []string, l listing) (scripts []Script) {
	failing := []Script{}
	for _, name := range names {
		at := slices.IndexFunc(l.good, func(s Script) bool { return s.Name == name })
		if at >= 0 {
			scripts = append(scripts, l.good[at])
			continue
		}
		p := Problem{Pos: Position{File: filepath.Join(a.Dir, name)}, Msg: "does not exist any more"}
		for _, bad := range l.bad {
			if bad.Pos == p.Pos {
				p.Msg = bad.Msg
			}
		}
		failing = append(failing, Script{Name: name, Path: p.Pos.File, Err: p})
	}
	return append(scripts, failing...)
}

// all returns the scripts of a directory that was never good: first those that can be
// started, then the others, which fail.
func (a Scripts) all(l listing) []Script {
	scripts := l.good
	for _, p := range l.bad {
		s := Script{Err: Problem{Pos: p.Pos, Msg: p.Msg}}
		if p.Pos.File != a.Dir {
			s.Name, s.Path = filepath.Base(p.Pos.File), p.Pos.File
		}
		scripts = append(scripts, s)
	}
	return scripts
}

// withScripts returns the configuration with the scripts that its directories have now.
// good holds the names of the scripts that were last good, by directory. fatal lists the
// problems of directories that were never good, refused those of the others.
func (c *Config) withScripts(good map[Scripts][]string) (next *Config, fatal, refused []Problem) {
	copied := *c
	next = &copied
	next.Hooks, next.Warnings = map[string]*Hook{}, slices.Clone(c.hints)
	next.good, next.looked = map[Scripts][]string{}, stamps{}
	for _, h := range c.inOrder() {
		hook := *h
		f, r := next.listHook(&hook, good)
		next.Hooks[h.Name] = &hook
		fatal, refused = append(fatal, f...), append(refused, r...)
	}
	return next, fatal, refused
}

func (c *Config) listHook(h *Hook, good map[Scripts][]string) (fatal, refused []Problem) {
	h.scripts = map[Scripts][]Script{}
	count := h.builtinSteps()
	for name, s := range h.Each {
		a, ok := s.Action.(Scripts)
		if !ok {
			continue
		}
		l := a.listSettled(c.search(s))
		c.looked.add(l.looked)
		c.Warnings = append(c.Warnings, l.warnings...)
		count += len(l.good)
		names, known := good[a]
		switch {
		case count > maxSteps:
			l.bad = append(l.bad, Problem{Pos: Position{File: a.Dir}, Msg: fmt.Sprintf("with these scripts the hook has %d steps; %d are allowed", count, maxSteps)})
		case len(names) > 0 && len(l.good)+len(l.bad) == 0:
			l.bad = []Problem{{Pos: Position{File: a.Dir}, Msg: "has no scripts any more"}}
		}
		for i := range l.bad {
			l.bad[i].Field = fmt.Sprintf("hooks.%s, step %s", h.Name, name)
		}
		switch {
		case len(l.bad) == 0:
			h.scripts[a], c.good[a] = l.good, namesOf(l.good)
		case known:
			h.scripts[a], c.good[a] = a.last(names, l), names
			refused = append(refused, l.bad...)
		default:
			h.scripts[a] = a.all(l)
			fatal = append(fatal, c.fatal(h, l.bad)...)
		}
	}
	return fatal, refused
}

// fatal returns those problems with a hook's scripts that stop a start or a call. For the
// call of another hook they become warnings. A call of shutdown or poststop runs the
// scripts that are good, because it comes at the end of the container.
func (c *Config) fatal(h *Hook, bad []Problem) []Problem {
	switch only := c.source.Hook; {
	case only == "", only == h.Name && only != Shutdown && only != Poststop:
		return bad
	case only != h.Name:
		c.Warnings = append(c.Warnings, bad...)
	}
	return nil
}

// builtinSteps counts the steps of a hook that are not scripts.
func (h *Hook) builtinSteps() (n int) {
	for _, s := range h.Each {
		if _, ok := s.Action.(Scripts); !ok {
			n++
		}
	}
	return n
}

func namesOf(scripts []Script) []string {
	names := make([]string, len(scripts))
	for i, s := range scripts {
		names[i] = s.Name
	}
	return names
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

// ignored reports whether a name is not that of a script: a dot-file, such as ..data of a
// ConfigMap, or a back-up by an editor, patch(1), dpkg or rpm.
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
