package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/podhook/podhook/agent/mainprocess"
	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/agent/show"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// invocation is one start of podhook.
type invocation struct {
	args   []string
	env    []string
	stdout io.Writer
	stderr io.Writer
	// room is how many bytes may still be printed, once briefly has set a bound.
	room int
	// settings are the variables that flags set.
	settings map[string]string
	// log is the log of the container, once the command has opened it.
	log *show.NonBlocking
}

// The exit codes of commands; hooks.Judge has those of outcomes.
const (
	exitOK     = 0
	exitFailed = hooks.ExitFailed
	exitUsage  = hooks.ExitUsage
	exitLate   = hooks.ExitTimedOut
)

// fail prints why the command failed, and returns the exit code.
func (inv *invocation) fail(err error) int {
	var text strings.Builder
	for line := range strings.Lines(err.Error()) {
		text.WriteString("podhook: " + config.HideURLs(strings.TrimSuffix(line, "\n")) + "\n")
	}
	fmt.Fprint(inv.stderr, text.String())
	var usage *usageError
	var variables *settings.Error
	var noPlace *state.DirError
	var noName *state.NameError
	if errors.As(err, &usage) || errors.As(err, &variables) || errors.As(err, &noPlace) || errors.As(err, &noName) {
		return exitUsage
	}
	return hooks.Judge(hooks.Result{}, err).ExitCode
}

// done returns the exit code of a command that ends with err, which may be nil.
func (inv *invocation) done(err error) int {
	if err != nil {
		return inv.fail(err)
	}
	return exitOK
}

// failOrGone is fail, except that a main process that has exited is a success.
func (inv *invocation) failOrGone(err error) int {
	var gone *mainprocess.GoneError
	if errors.As(err, &gone) {
		fmt.Fprintln(inv.stdout, "podhook: "+gone.Error())
		return exitOK
	}
	return inv.fail(err)
}
