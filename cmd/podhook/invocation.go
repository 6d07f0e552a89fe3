package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
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
	line    []string // the command and its arguments
	args    []string // the arguments
	environ []string // that podhook was started with
	env     []string // the same with the variables that flags set
	stdout  io.Writer
	stderr  io.Writer
	guard   *guard
	// room is how many bytes may still be printed, once briefly has set a bound.
	room int
	// live says that a person looks at the output.
	live bool
	// settings are the variables that flags set.
	settings map[string]string
	// own says that this process is the container's own, whose stderr is a part of the
	// container's log, and json that this log has that form.
	own, json bool
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
	inv.print(slog.LevelError, config.HideURLs(err.Error()))
	var usage *usageError
	var variables *settings.Error
	var noPlace *state.DirError
	var noName *state.NameError
	if errors.As(err, &usage) || errors.As(err, &variables) || errors.As(err, &noPlace) || errors.As(err, &noName) {
		return exitUsage
	}
	return hooks.Judge(hooks.Result{}, err).ExitCode
}

// print prints lines on stderr: as entries of the container's log if that is JSON and
// this process is the container's own.
func (inv *invocation) print(level slog.Level, lines string) {
	var text strings.Builder
	logger := show.NewLogger(&text, settings.JSON)
	for line := range strings.SplitSeq(lines, "\n") {
		if inv.own && inv.json {
			logger.Log(context.Background(), level, "podhook", "error", line)
		} else {
			text.WriteString("podhook: " + line + "\n")
		}
	}
	fmt.Fprint(inv.stderr, text.String())
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
