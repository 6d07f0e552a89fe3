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

// maxSteps bounds the steps of a hook, each script counted as one: the record of a run
// has all of them, and is written with each.
const maxSteps = 1000

// Script is one script of a directory.
type Script struct {
	// Name is its file name, Path its whole path, as given, links not followed. Both
	// are empty where the directory itself cannot be read.
	Name, Path string
	// Argv starts it: the path alone, or its interpreter, at most one argument
	// of it, and the path.
	Argv []string
	// Err says why it cannot be run. Such scripts come after the others.
	Err error
}

// Scripts returns the scripts of a step in the order in which they are run: those that
// the directory had when the configuration was read, or that were last good.
func (h *Hook) Scripts(a Scripts) []Script { return h.scripts[a] }

// listing is what a directory has.
type listing struct {
	good []Script
	// bad is what cannot be started; its position is the file, or the directory.
	bad, warnings []Problem
	looked        stamps
}

// listSettled is list for a directory in which nobody is writing a script that cannot be
// started yet.
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

// list looks through the directory of a step for scripts, in byte order of their names:
// regular files and links to them, without dot-files and what editors and package
// managers leave behind. Directories are passed over with a warning. Each file is
// stamped before it is looked at.
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
			// What has gone since the listing, as in a ConfigMap's update, is
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

// last are the scripts of a directory that were last good, as far as they can still be
// started, and then the others, which fail.
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

// all are the scripts of a directory that never was good: those that can be started,
// and then the others, which fail.
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
// good are the names of those that were last good, by directory. fatal is what is wrong
// with directories that never were good, refused with the others.
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

// fatal are the problems with a hook's scripts that stop a start or a call. For the call
// of another hook they are warnings. A call of shutdown or poststop, which come at the
// end of a container, runs the scripts that are good.
func (c *Config) fatal(h *Hook, bad []Problem) []Problem {
	switch only := c.source.Hook; {
	case only == "", only == h.Name && only != Shutdown && only != Poststop:
		return bad
	case only != h.Name:
		c.Warnings = append(c.Warnings, bad...)
	}
	return nil
}

// builtinSteps are the steps of a hook without those of scripts.
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
