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

// defineSignal sends a signal to the main process. It succeeds if that has exited.
func defineSignal(inv *invocation, fs *flag.FlagSet) action {
	to := fs.String("to", "", "another process: `TARGET` is pidfile:PATH, exe:PATH, name:NAME or pid:N")
	return func(_ context.Context, words []string) int { return sendSignal(inv, words[0], *to) }
}

func sendSignal(inv *invocation, name, to string) int {
	sig, err := config.ParseSignal(name)
	if err != nil {
		return inv.fail(usagef("signal: %v", err))
	}
	finder, err := inv.target(to)
	if err != nil {
		return inv.fail(err)
	}
	main, err := finder.Current()
	if err != nil {
		return inv.failOrGone(err)
	}
	gone, err := main.Signal(sig)
	if err != nil {
		return inv.fail(err)
	}
	if gone {
		fmt.Fprintf(inv.stdout, "podhook: %s %d has exited already\n", whom(to), main.PID())
		return exitOK
	}
	fmt.Fprintf(inv.stdout, "podhook: %s sent to %s %d (%s)\n", unix.SignalName(sig), whom(to), main.PID(), main.Name())
	return exitOK
}

// target returns the process that gets the signal: the main process, or the one that
// --to names.
func (inv *invocation) target(to string) (*mainprocess.Finder, error) {
	c, err := openContainer(inv, show.ContainerLog(), toWrite)
	if err != nil {
		return nil, err
	}
	if to != "" && to != "main" {
		target, err := mainprocess.Parse(to)
		if err != nil {
			return nil, usagef("signal: --to: %v", err)
		}
		return mainprocess.NewFinder(target, c.memory()), nil
	}
	if c.finder == nil {
		return nil, usagef("signal: %s", config.NoMain)
	}
	return c.finder, nil
}

func whom(to string) string {
	if to == "" || to == "main" {
		return "the main process"
	}
	return to + ", process"
}
