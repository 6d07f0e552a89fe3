package main

import (
	"context"
	"flag"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/agent/show"
	"github.com/podhook/podhook/hooks/config"
)

// signalMain sends a signal to the main process. One that has exited already is
// a result and not an error.
func signalMain(_ context.Context, c *call) int {
	words, err := parse(flag.NewFlagSet("signal", flag.ContinueOnError), c.args)
	if err == nil && len(words) != 1 {
		err = usagef("signal: one signal is needed, such as TERM")
	}
	if err != nil {
		return c.fail(err)
	}
	sig, err := config.ParseSignal(words[0])
	if err != nil {
		return c.fail(usagef("signal: %v", err))
	}
	p, err := open(c, show.PID1Log())
	if err != nil {
		return c.fail(err)
	}
	if p.finder == nil {
		return c.fail(usagef("signal: no main process is configured: set PODHOOK_MAIN to pid:N, pidfile:PATH, exe:PATH or name:NAME"))
	}
	main, err := p.finder.Current()
	if err != nil {
		return c.failOrGone(err)
	}
	gone, err := main.Signal(sig)
	if err != nil {
		return c.fail(err)
	}
	if gone {
		fmt.Fprintf(c.stdout, "podhook: the main process %d has exited already\n", main.PID())
		return exitOK
	}
	fmt.Fprintf(c.stdout, "podhook: %s sent to the main process %d (%s)\n", unix.SignalName(sig), main.PID(), main.Name())
	return exitOK
}
