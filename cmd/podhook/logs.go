package main

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"github.com/podhook/podhook/agent/show"
)

// logs prints the output of the steps of a hook's last run, each line with its time,
// step and stream.
func logs(ctx context.Context, inv *invocation) int {
	fs := flag.NewFlagSet("logs", flag.ContinueOnError)
	follow := fs.Bool("f", false, "")
	words, err := parse(fs, inv.args)
	if err == nil && len(words) != 1 {
		err = usagef("logs: the name of one hook is needed")
	}
	if err != nil {
		return inv.fail(err)
	}
	c, err := openState(inv, show.ContainerLog())
	if err != nil {
		return inv.fail(err)
	}
	hook := c.store.Hook(words[0])
	_, found, err := hook.Read()
	if err == nil && !found {
		fmt.Fprintf(inv.stderr, "podhook: hook %s has not run in this instance\n", words[0])
		return exitOK
	}
	if *follow {
		var stop func()
		ctx, stop = untilStopped(ctx)
		defer stop()
		err = hook.FollowOutput(ctx, inv.stdout)
	} else {
		err = hook.ReadOutput(inv.stdout)
	}
	switch {
	case errors.Is(err, context.Canceled):
		return interruptedCode(ctx)
	case err != nil:
		return inv.fail(err)
	}
	return exitOK
}
