package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/podhook/podhook/agent/mainprocess"
	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// The exit codes of commands; those of outcomes are in hooks.Judge.
const (
	exitOK     = 0
	exitFailed = hooks.ExitFailed
	exitUsage  = hooks.ExitUsage
	exitLate   = hooks.ExitTimedOut
)

// fail says why a command did not do what was asked, and returns its exit code.
func (c *call) fail(err error) int {
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintln(c.stderr, "podhook: "+config.HideURLs(strings.TrimSuffix(line, "\n")))
	}
	var usage *usageError
	var variables *settings.Error
	var noPlace *state.DirError
	var noName *state.NameError
	if errors.As(err, &usage) || errors.As(err, &variables) || errors.As(err, &noPlace) || errors.As(err, &noName) {
		return exitUsage
	}
	return hooks.Judge(hooks.Result{}, err).ExitCode
}

// stoppedBy is the cause of a context that a stop signal has cancelled.
type stoppedBy struct{ signal syscall.Signal }

func (e *stoppedBy) Error() string { return "stopped by " + e.signal.String() }

// interruptedCode is 128+n where signal n has stopped the command.
func interruptedCode(ctx context.Context) int {
	var by *stoppedBy
	if errors.As(context.Cause(ctx), &by) {
		return 128 + int(by.signal)
	}
	return hooks.ExitInterrupted
}

// failOrGone is fail, but a main process that was there and has exited is a
// result.
func (c *call) failOrGone(err error) int {
	var gone *mainprocess.GoneError
	if errors.As(err, &gone) {
		fmt.Fprintln(c.stdout, "podhook: "+gone.Error())
		return exitOK
	}
	return c.fail(err)
}
