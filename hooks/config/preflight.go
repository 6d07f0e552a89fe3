package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/executable"
	"github.com/podhook/podhook/hooks/keypair"
	"github.com/podhook/podhook/hooks/userfile"
)

// inOrder returns the hooks in the order of the file.
func (c *Config) inOrder() []*Hook {
	return slices.SortedStableFunc(maps.Values(c.Hooks), func(a, b *Hook) int {
		if a.Pos.Line != b.Pos.Line {
			return a.Pos.Line - b.Pos.Line
		}
		return strings.Compare(a.Name, b.Name)
	})
}

// Preflight checks whether the files that steps name exist and can be used. They may
// still be mounted or made before a hook is called, so a start takes all its findings
// for warnings.
type Preflight struct {
	// AllowExposed lets root run files that every user can change.
	AllowExposed bool
	// AsUsers also checks steps with a user, with the permissions of that user. It is
	// only for a command that ends soon, see User.as.
	AsUsers bool

	// Failed lists what would make a hook fail, Warnings what might.
	Failed, Warnings []Problem
	at               Problem // the position and field of the current step
}

// Look adds its findings about a configuration to Failed and Warnings.
func (p *Preflight) Look(c *Config) {
	if c.text != nil {
		p.at = Problem{Pos: Position{File: c.Source}}
		p.exposed("", c.Source)
	}
	p.ready(c.Ready)
	for _, path := range c.Mask {
		if _, err := os.ReadFile(path); err != nil {
			p.at = Problem{Pos: Position{File: c.Source}}
			p.warn("mask", path, executable.Explain(path, err).Error()+"; what it holds is not masked")
		}
	}
	for _, h := range c.inOrder() {
		p.at = Problem{Pos: h.Pos, Field: "hooks." + h.Name}
		if h.Marker != "" {
			p.marker(h.Marker)
		}
		for _, path := range h.Watch {
			if _, err := os.Stat(path); err != nil {
				p.warn(".watch", path, executable.Explain(path, err).Error()+"; the hook runs when it appears")
			}
		}
		for name, s := range h.Each {
			p.at = Problem{Pos: s.Pos, Field: fmt.Sprintf("hooks.%s, step %s", h.Name, name)}
			p.sense(h, s)
			list := c.programs(h, s)
			if s.User == nil {
				p.step(s, list)
			} else if p.AsUsers && os.Geteuid() == 0 {
				p.failed(", user", s.User.String(), s.User.as(func() { p.step(s, list) }))
			}
		}
	}
}

func (p *Preflight) problem(field, value, msg string) Problem {
	return Problem{Pos: p.at.Pos, Field: p.at.Field + field, Value: hideValue(value), Msg: HideURLs(msg)}
}

func (p *Preflight) failed(field, value, msg string) {
	if msg != "" {
		p.Failed = append(p.Failed, p.problem(field, value, msg))
	}
}

func (p *Preflight) failedBy(field, value string, err error) {
	if err != nil {
		p.failed(field, value, err.Error())
	}
}

func (p *Preflight) warn(field, value, msg string) {
	if msg != "" {
		p.Warnings = append(p.Warnings, p.problem(field, value, msg))
	}
}

// sense warns of steps that are valid but do nothing in their hook.
func (p *Preflight) sense(h *Hook, s *Step) {
	if h.Name == Poststop && s.Action.NeedsMain() {
		p.warn("", "", "does nothing here: the main process has exited before poststop begins")
	}
	never := len(s.When.Triggers) > 0
	for _, t := range s.When.Triggers {
		never = never && (t == "signal" && h.Name != Shutdown || t == "start" && h.Name != Prestart && h.Name != Poststop || t == "watch" && len(h.Watch) == 0)
	}
	if never {
		p.warn(", when.trigger", strings.Join(s.When.Triggers, ", "), "the step never runs: this hook is not called so")
	}
}

func (p *Preflight) step(s *Step, list []program) {
	if s.WorkingDir != "" {
		p.failedBy(", workingDir", s.WorkingDir, executable.CheckDir(s.WorkingDir))
	}
	for _, started := range list {
		p.program(s, started)
	}
	s.Action.preflight(p)
}

// program is a file that a step starts.
type program struct {
	// name is shown to people; file is what execve(2) gets.
	name, file string
	// err says why there is no such file.
	err error
	// search is where an interpreter may look for others.
	search executable.Search
	// script is the file that the interpreter reads, or "".
	script string
	// warn is true if nothing else reports the warning about the file.
	warn bool
}

// programs lists what a step starts. It searches with the permissions of podhook's own
// user.
func (c *Config) programs(h *Hook, s *Step) []program {
	if a, ok := s.Action.(starter); ok {
		return a.programs(h, c.search(s))
	}
	return nil
}

// search returns where the program of a step is searched.
func (c *Config) search(s *Step) executable.Search {
	return executable.Search{Path: executable.PathOf(slices.Concat(s.Env, c.source.Environ)), Dir: s.WorkingDir}
}

// program checks a program with the permissions of the step's user.
func (p *Preflight) program(s *Step, x program) {
	field := ", " + s.Action.Kind()
	if x.err != nil {
		p.failed(field, x.name, x.err.Error())
		return
	}
	warning, err := x.search.Check(x.file)
	p.failedBy(field, x.name, err)
	if x.warn {
		p.warn(field, x.name, warning)
	}
	if s.User != nil && err == nil {
		msg, _ := badSource(x.script)
		p.failed(field, x.script, msg)
	}
	p.exposed(field, x.file)
	if x.script != "" && x.script != x.file {
		p.exposed(field, x.script)
	}
}

// target checks a file that a step writes. If the file is writable, its directory does
// not matter.
func (p *Preflight) target(field, file string) {
	at, err := userfile.Target(file)
	switch {
	case err != nil:
		p.failed(field, file, executable.Explain(file, err).Error())
	case unix.Faccessat(unix.AT_FDCWD, at, unix.W_OK, unix.AT_EACCESS) != nil:
		msg, absent := badParent(at)
		p.either(absent, field, file, msg)
	}
}

// marker checks a file that is made and removed.
func (p *Preflight) marker(file string) {
	at, err := userfile.Target(file)
	switch {
	case err != nil:
		p.failed(".marker", file, executable.Explain(file, err).Error())
	case userfile.IsMount(at):
		p.failed(".marker", file, "a mount of its own, which is always there; mount the directory of the marker")
	default:
		msg, absent := badParent(at)
		p.either(absent, ".marker", file, msg)
	}
}

// endpoint checks the files that a request needs.
func (p *Preflight) endpoint(e Endpoint) {
	files := []string{e.CAFile}
	for _, h := range e.Headers {
		files = append(files, h.File)
	}
	for _, file := range files {
		msg, absent := badSource(file)
		p.either(absent, "", file, msg)
	}
	p.clientCert(e.CertFile, e.KeyFile)
}

// clientCert also reads the files: that one is not the other's key shows nowhere else
// before the hook is called.
func (p *Preflight) clientCert(certFile, keyFile string) {
	if certFile == "" {
		return
	}
	noCert, absentCert := badSource(certFile)
	noKey, absentKey := badSource(keyFile)
	p.either(absentCert, ", "+keypair.CertFile, certFile, noCert)
	p.either(absentKey, ", "+keypair.KeyFile, keyFile, noKey)
	if noCert != "" || noKey != "" {
		return
	}
	var bad *keypair.Error
	if _, err := keypair.Load(certFile, keyFile); errors.As(err, &bad) {
		p.failed(", "+bad.Field, bad.File, bad.Msg)
	}
}

// either warns if a file is absent, and fails otherwise.
func (p *Preflight) either(absent bool, field, value, msg string) {
	if absent {
		p.warn(field, value, msg)
	} else {
		p.failed(field, value, msg)
	}
}

// exposed refuses a file for root if every user can change it or its interpreter.
func (p *Preflight) exposed(field, file string) {
	files := []string{file}
	if interpreter := executable.Interpreter(file); interpreter != "" {
		files = append(files, interpreter)
	}
	for _, file := range files {
		abs, err := filepath.Abs(file)
		if err != nil {
			continue
		}
		if at := exposed(abs); at != "" {
			p.exposedAt(field, file, at)
			return
		}
	}
}

func (p *Preflight) exposedAt(field, file, at string) {
	if executable.User() == 0 && !p.AllowExposed {
		p.failed(field, file, "every user can change "+at+", and root would use it; chmod o-w, or PODHOOK_ALLOW_WORLD_WRITABLE=true")
	}
}

// checkUsers refuses steps that this process cannot run as their user. If one hook is to
// run, it only warns of the steps of other hooks.
func (c *Config) checkUsers(only string) (failed, warnings []Problem) {
	for _, h := range c.inOrder() {
		for name, s := range h.Each {
			if s.User == nil {
				continue
			}
			msg := s.User.problem()
			if msg == "" {
				continue
			}
			p := Problem{Pos: s.Pos, Field: fmt.Sprintf("hooks.%s, step %s, user", h.Name, name), Value: s.User.String(), Msg: msg}
			if only == "" || only == h.Name {
				failed = append(failed, p)
			} else {
				warnings = append(warnings, p)
			}
		}
	}
	return failed, warnings
}
