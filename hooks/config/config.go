// Package config reads what hooks are to do: from a YAML file, from its text in
// a variable, or from directories of scripts. It proves what can be proved
// before a hook is needed; it runs nothing.
package config

import "time"

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

	source Source
	text   []byte   // the YAML, nil where the hooks come from directories
	dirs   []string // the names of those
	// hints are the warnings without those about scripts.
	hints []Problem
	// good are the names of the scripts that were last good, of each directory that
	// has been good.
	good map[Scripts][]string
	// stamp is that of the source before it was read, looked those of the scripts.
	stamp  Stamp
	looked stamps
}

// Hook is one named phase of a container's life.
type Hook struct {
	Name string
	// Timeout bounds a whole run. It is never 0: kubelet has no timeout for
	// postStart and does not even obey a DELETE while one runs (kubelet.md).
	Timeout time.Duration
	// Paths are extra HTTP paths of this hook.
	Paths []string
	// Marker is where the hook's marker is; "" leaves it in the state.
	Marker string
	Steps  []*Step
	Pos    Position

	scripts map[Scripts][]Script
}

// Step is one piece of work of a hook.
type Step struct {
	// Name is unique within its hook, or within its group; made from the action
	// where none is given.
	Name   string
	Action Action
	// Timeout bounds each attempt; 0 leaves it what is left of the hook's time.
	Timeout time.Duration
	// Retry says what follows a failed attempt. The zero value is: nothing.
	Retry Retry
	// KillAfter is the time between SIGTERM and SIGKILL.
	KillAfter time.Duration
	// Env are "KEY=value" entries that are added to the container's environment.
	Env        []string
	WorkingDir string
	// User is whom a program runs as; nil is podhook's own user.
	User      *User
	OnFailure Policy
	// Always: run whatever happened before, also where the hook's time is up:
	// the hook keeps a reserve for it.
	Always bool
	When   When
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
	// Ignore runs the rest; the failure does not count for the hook.
	Ignore Policy = "ignore"
)
