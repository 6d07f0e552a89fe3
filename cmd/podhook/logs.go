package main

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"github.com/podhook/podhook/agent/show"
)

// logs prints what the steps of a hook's last run have printed, each line with
// its time, step and stream.
func logs(ctx context.Context, c *call) int {
	fs := flag.NewFlagSet("logs", flag.ContinueOnError)
	follow := fs.Bool("f", false, "")
	words, err := parse(fs, c.args)
	if err == nil && len(words) != 1 {
		err = usagef("logs: the name of one hook is needed")
	}
	if err != nil {
		return c.fail(err)
	}
	p, err := openState(c, show.ContainerLog())
	if err != nil {
		return c.fail(err)
	}
	hook := p.store.Hook(words[0])
	_, found, err := hook.Read()
	if err == nil && !found {
		fmt.Fprintf(c.stderr, "podhook: hook %s has not run in this instance\n", words[0])
		return exitOK
	}
	if *follow {
		var stop func()
		ctx, stop = untilStopped(ctx)
		defer stop()
		err = hook.FollowOutput(ctx, c.stdout)
	} else {
		err = hook.ReadOutput(c.stdout)
	}
	switch {
	case errors.Is(err, context.Canceled):
		return interruptedCode(ctx)
	case err != nil:
		return c.fail(err)
	}
	return exitOK
}
