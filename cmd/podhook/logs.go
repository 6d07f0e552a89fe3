package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strconv"

	"github.com/podhook/podhook/agent/show"
	"github.com/podhook/podhook/hooks/state"
)

// defineLogs prints the output of the steps of a hook's last run, each line with its
// time, step and stream.
func defineLogs(inv *invocation, fs *flag.FlagSet) action {
	follow := fs.Bool("f", false, "go on until the run has ended")
	tail := state.AllLines
	fs.Func("tail", "begin with the last `N` lines (default all)", func(text string) (err error) {
		if tail, err = strconv.Atoi(text); err != nil || tail < 0 {
			return errors.New("a number of lines is needed, such as 20")
		}
		return nil
	})
	inv.settingFlags(fs, "config")
	return func(ctx context.Context, words []string) int { return logs(ctx, inv, words[0], *follow, tail) }
}

func logs(ctx context.Context, inv *invocation, name string, follow bool, tail int) int {
	c, err := openState(inv, show.ContainerLog())
	if err != nil {
		return inv.fail(err)
	}
	hook := c.store.Hook(name)
	_, found, err := hook.Read()
	if !found {
		if err := c.knowsHook(inv, name); err != nil {
			return inv.fail(err)
		}
	}
	if err == nil && !found {
		fmt.Fprintf(inv.stderr, "podhook: hook %s has not run in this instance\n", name)
		return exitOK
	}
	if follow {
		var stop func()
		ctx, stop = untilStopped(ctx)
		defer stop()
		err = hook.FollowOutput(ctx, inv.stdout, tail)
	} else {
		err = hook.ReadOutput(inv.stdout, tail)
	}
	if errors.Is(err, context.Canceled) {
		return interruptedCode(ctx)
	}
	return inv.done(err)
}
