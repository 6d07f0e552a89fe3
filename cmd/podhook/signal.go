package main

import (
	"context"
	"flag"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/agent/mainprocess"
	"github.com/podhook/podhook/agent/show"
	"github.com/podhook/podhook/hooks/config"
)

// signalMain sends a signal to the main process. One that has exited already is
// a result and not an error.
func signalMain(_ context.Context, c *call) int {
	c.briefly()
	fs := flag.NewFlagSet("signal", flag.ContinueOnError)
	to := fs.String("to", "", "")
	words, err := parse(fs, c.args)
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
	finder, err := c.target(*to)
	if err != nil {
		return c.fail(err)
	}
	main, err := finder.Current()
	if err != nil {
		return c.failOrGone(err)
	}
	gone, err := main.Signal(sig)
	if err != nil {
		return c.fail(err)
	}
	if gone {
		fmt.Fprintf(c.stdout, "podhook: %s %d has exited already\n", whom(*to), main.PID())
		return exitOK
	}
	fmt.Fprintf(c.stdout, "podhook: %s sent to %s %d (%s)\n", unix.SignalName(sig), whom(*to), main.PID(), main.Name())
	return exitOK
}

// target is the process that a signal goes to: the main process, or another one
// that is named as for PODHOOK_MAIN.
func (c *call) target(to string) (*mainprocess.Finder, error) {
	p, err := open(c, show.ContainerLog())
	if err != nil {
		return nil, err
	}
	if to != "" && to != "main" {
		target, err := mainprocess.Parse(to)
		if err != nil {
			return nil, usagef("signal: --to: %v", err)
		}
		return mainprocess.NewFinder(target, p.memory()), nil
	}
	if p.finder == nil {
		return nil, usagef("signal: %s", config.NoMain)
	}
	return p.finder, nil
}

func whom(to string) string {
	if to == "" || to == "main" {
		return "the main process"
	}
	return to + ", process"
}
