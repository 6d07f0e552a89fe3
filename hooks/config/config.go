// Package config reads hooks from a YAML file, from YAML in a variable, or from
// directories of scripts. It finds mistakes before a hook is needed, and runs nothing.
//
// Load reads for a start, Update reads again. Each kind of step has a file,
// kind_NAME.go.
package config

import "time"

// The hooks that always exist. A hook without steps succeeds at once.
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

// Config is one consistent set of hooks. It does not change after Load, so any number
// of goroutines may read it.
type Config struct {
	// Hooks holds the hooks by name. Prestart, Shutdown and Poststop always exist.
	Hooks map[string]*Hook
	// Ready lists what must hold, beside the outcome of prestart, for the container to be
	// ready. It is looked at once for each probe.
	Ready []Ready
	// Mask lists files with secrets, which are replaced in all output of steps.
	Mask []string
	// Source says where the hooks come from, for people: a file's path,
	// a variable's name or "directories in /etc/podhook".
	Source string
	// Warnings lists what a person should know and what does not stop a start.
	Warnings []Problem

	source Source
	text   []byte   // the YAML, or nil if the hooks come from directories
	dirs   []string // the names of the directories
	// hints are the warnings except those about scripts.
	hints []Problem
	// good holds, for each directory that was good once, the names of the scripts that
	// were last good.
	good map[Scripts][]string
	// stamp is taken before the source is read, looked before the scripts are listed.
	stamp  Stamp
	looked stamps
}

// Hook is one named phase of a container's life.
type Hook struct {
	Name string
	// Timeout bounds a whole run. It is never 0, because kubelet has no timeout for
	// postStart and does not stop the pod while one runs (deploy/kubernetes/kubelet.md).
	Timeout time.Duration
	// Paths lists more HTTP paths of the hook.
	Paths []string
	// Marker is the path of the hook's marker, or "" for the default in the state.
	Marker string
	// Watch lists the files and directories at whose change an agent runs the hook, after
	// they have stayed the same for Debounce.
	Watch    []string
	Debounce time.Duration
	// Mask is that of the Config.
	Mask  []string
	Steps []*Step
	Pos   Position

	scripts map[Scripts][]Script
}

// Step is one piece of work of a hook.
type Step struct {
	// Name is unique in its hook or its group. The default is made from the action.
	Name   string
	Action Action
	// Timeout bounds each attempt. With 0, an attempt has what is left of the hook's
	// time.
	Timeout time.Duration
	// Retry says when a failed attempt is retried. The zero value means never.
	Retry Retry
	// KillAfter is the time between SIGTERM and SIGKILL.
	KillAfter time.Duration
	// Env holds "KEY=value" entries that are added to the container's environment.
	Env        []string
	WorkingDir string
	// User is the user that a program runs as, or nil for podhook's own.
	User *User
	// NoNewPrivileges keeps a program and its children from gaining privileges.
	NoNewPrivileges bool
	// Quiet drops what the programs of the step print.
	Quiet bool

	OnFailure Policy
	// Always says that the step runs after a failure, a timeout or an interruption too.
	// The hook reserves time for it, see Reserve.
	Always bool
	When   When
	// Once says that the step is skipped if an earlier run of the instance has
	// succeeded with it.
	Once bool
	Pos  Position
}

// Policy says what a failed step means for the rest of its hook.
type Policy string

const (
	// Fail skips the remaining steps, and the hook fails. It is the default.
	Fail Policy = "fail"
	// Continue runs the remaining steps, and the hook fails at its end.
	Continue Policy = "continue"
	// Ignore runs the remaining steps. The failure does not count.
	Ignore Policy = "ignore"
)
