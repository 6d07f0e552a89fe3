package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"github.com/podhook/podhook/agent/show"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/hooks/wait"
)

const defaultWait = 60 * time.Second

// awaited is what the wait command waits for.
type awaited struct {
	name string
	// until waits and returns what was seen last. The error is that of the context, or
	// says why the wait can never end.
	until func(context.Context) (string, error)
	// once looks once. The error is errNotYet, or says why a wait could never end.
	once func(context.Context) (string, error)
}

var errNotYet = errors.New("not yet")

// defineWait is the wait step as a command. It can also wait for a hook. With --timeout
// 0s it looks once, as an exec probe does.
func defineWait(inv *invocation, fs *flag.FlagSet) action {
	f := newWaitFlags(fs)
	inv.settingFlags(fs, "config")
	return func(ctx context.Context, words []string) int { return waitFor(ctx, inv, f, words) }
}

func waitFor(ctx context.Context, inv *invocation, f *waitFlags, words []string) int {
	what, err := f.awaited(inv, words)
	if err == nil && *f.timeout < 0 {
		err = usagef("wait: --timeout: %q: a duration of at least 0s is needed", *f.timeout)
	}
	if err != nil {
		return inv.fail(err)
	}
	ctx, stop := untilStopped(ctx)
	defer stop()
	last, err := what.within(ctx, *f.timeout)
	switch {
	case err == nil:
		return exitOK
	case ctx.Err() != nil:
		return interruptedCode(ctx)
	case !errors.Is(err, errNotYet) && !errors.Is(err, context.DeadlineExceeded):
		return inv.fail(fmt.Errorf("wait for %s: %w", what.name, err))
	}
	fmt.Fprintf(inv.stderr, "podhook: waited %v for %s: %s\n", *f.timeout, what.name, last)
	return exitLate
}

// within waits up to timeout, and returns what was seen last.
func (a *awaited) within(ctx context.Context, timeout time.Duration) (last string, err error) {
	if timeout == 0 {
		return a.once(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return a.until(ctx)
}

// looked is awaited by polling.
func looked(name string, look wait.Look, interval time.Duration) *awaited {
	return &awaited{
		name: name,
		until: func(ctx context.Context) (string, error) {
			return look.Until(ctx, interval, func(string) {})
		},
		once: func(ctx context.Context) (string, error) {
			seen := look(ctx)
			if !seen.Done && seen.Err == nil {
				seen.Err = errNotYet
			}
			return seen.Text, seen.Err
		},
	}
}

// mainExit is the end of the main process.
func (inv *invocation) mainExit() (*awaited, error) {
	c, err := openContainer(inv, show.ContainerLog(), toRead)
	if err != nil {
		return nil, err
	}
	main := c.main()
	if main == nil {
		return nil, usagef("wait: --exit: %s", config.NoMain)
	}
	const alive = "it is alive"
	until := func(ctx context.Context) (string, error) {
		err := main.WaitExit(ctx, nil)
		var gone *hooks.GoneError
		if errors.As(err, &gone) {
			err = nil
		}
		return alive, err
	}
	return &awaited{
		name:  config.MainExit{}.String(),
		until: until,
		once: func(ctx context.Context) (string, error) {
			ctx, cancel := context.WithDeadline(ctx, time.Now())
			defer cancel()
			return until(ctx)
		},
	}, nil
}

// hookSucceeded looks whether the last run of a hook has succeeded.
func (inv *invocation) hookSucceeded(name string, timeout time.Duration) (wait.Look, error) {
	c, err := openContainer(inv, show.ContainerLog(), toRead)
	switch {
	case err != nil:
		return nil, err
	case c.settings.Disabled:
		return func(context.Context) wait.Seen { return wait.Seen{Done: true} }, nil
	case c.storeErr != nil:
		return nil, c.storeErr
	}
	if err := c.knowsHook(inv, name); err != nil {
		return nil, err
	}
	if timeout > 0 {
		if err := hooks.CheckCycle(inv.env, c.store, name); err != nil {
			return nil, err
		}
	}
	return func(context.Context) wait.Seen {
		c.openAs(toRead) // the first run can choose another directory
		if c.storeErr != nil {
			return wait.Seen{Text: c.storeErr.Error()}
		}
		rec, found, err := c.store.Hook(name).Read()
		runner := hooks.New(context.Background(), c.options(inv))
		switch {
		case err != nil:
			return wait.Seen{Text: err.Error()}
		case !found:
			return wait.Seen{Text: "it has not run in this instance"}
		case !runner.Current(rec):
			return wait.Seen{Text: "it has not run since the main process's container was restarted"}
		}
		return wait.Seen{Done: rec.Outcome == state.Succeeded, Text: "its last run: " + string(rec.Outcome)}
	}, nil
}
