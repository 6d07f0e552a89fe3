// Package config reads what hooks are to do: from a YAML file, from its text in
// a variable, or from directories of scripts. It proves what can be proved
// before a hook is needed; it runs nothing.
package config

import (
	"syscall"
	"time"
)

// The hooks that always exist (design: a hook without steps succeeds at once).
const (
	Prestart = "prestart"
	Shutdown = "shutdown"
	Poststop = "poststop"
)

// Default times. KillAfter is the time between SIGTERM and SIGKILL.
const (
	defaultPrestartTimeout = 60 * time.Second
	defaultShutdownTimeout = 25 * time.Second
	defaultTimeout         = 30 * time.Second
	defaultKillAfter       = 2 * time.Second
)

// Config is one consistent set of hooks. It is never changed after Load, so it
// may be read by any number of goroutines.
type Config struct {
	// Hooks by name. Prestart, Shutdown and Poststop are always there.
	Hooks map[string]*Hook
	// Source says where the hooks come from, for people: a file's path,
	// a variable's name or "directories in /etc/podhook".
	Source string
	// Warnings are what a person should know and what does not stop a start.
	Warnings []Problem

	text []byte
}

// Text is the YAML text the hooks were read from, for a copy of the last good
// configuration; it is nil where they come from directories. It is not to be
// changed.
func (c *Config) Text() []byte { return c.text }

// Hook is one named phase of a container's life.
type Hook struct {
	Name string
	// Timeout bounds a whole run. It is never 0: kubelet has no timeout for
	// postStart and does not even obey a DELETE while one runs (kubelet.md).
	Timeout time.Duration
	// Paths are extra HTTP paths of this hook.
	Paths []string
	// Marker is a file to write, beside podhook's own, when the hook succeeded.
	Marker string
	Steps  []*Step
	Pos    Position
}

// Step is one piece of work of a hook.
type Step struct {
	// Name is unique within its hook; made from the action where none is given.
	Name   string
	Action Action
	// Timeout bounds the step; 0 leaves it what is left of the hook's time.
	Timeout time.Duration
	// KillAfter is the time between SIGTERM and SIGKILL.
	KillAfter time.Duration
	// Env are "KEY=value" entries that are added to the container's environment.
	Env        []string
	WorkingDir string
	OnFailure  Policy
	// Once: skipped in a later run of the same instance after it has succeeded.
	Once bool
	Pos  Position
}

// Policy says what a failed step means for the rest of its hook.
type Policy string

const (
	// Fail skips the rest; the hook has failed. The default.
	Fail Policy = "fail"
	// Continue runs the rest; the hook has failed at its end.
	Continue Policy = "continue"
)

// Action is what a step does: Exec, Scripts, Sleep or Signal.
type Action interface{ Kind() string }

// Exec runs a program directly, never through a shell.
type Exec struct{ Argv []string }

// Scripts runs the scripts of a directory in byte order of their names.
type Scripts struct{ Dir string }

// Sleep waits.
type Sleep struct{ Duration time.Duration }

// Signal sends a signal to the main process.
type Signal struct{ Signal syscall.Signal }

func (Exec) Kind() string    { return "exec" }
func (Scripts) Kind() string { return "scripts" }
func (Sleep) Kind() string   { return "sleep" }
func (Signal) Kind() string  { return "signal" }
