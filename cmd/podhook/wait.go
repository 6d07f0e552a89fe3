package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/podhook/podhook/agent"
	"github.com/podhook/podhook/agent/show"
	"github.com/podhook/podhook/hooks/state"
)

const (
	defaultWait = 60 * time.Second
	firstPause  = 20 * time.Millisecond
	longPause   = 500 * time.Millisecond
	dialTimeout = 2 * time.Second
	// lastLook is what a look at the end of the timeout has, so that it can see
	// something.
	lastLook = 100 * time.Millisecond
)

// condition says whether what is waited for is there, and if not, why.
type condition func(context.Context) (ok bool, why string)

// wait waits for a condition. With --timeout 0s it looks once, as an exec probe.
func wait(ctx context.Context, c *call) int {
	fs := flag.NewFlagSet("wait", flag.ContinueOnError)
	file := fs.String("file", "", "")
	tcp := fs.String("tcp", "", "")
	timeout := fs.Duration("timeout", defaultWait, "")
	words, err := parse(fs, c.args)
	if err != nil {
		return c.fail(err)
	}
	what, is, err := c.condition(words, *file, *tcp)
	if err == nil && *timeout < 0 {
		err = usagef("wait: --timeout: %q: a duration of at least 0s is needed", *timeout)
	}
	if err != nil {
		return c.fail(err)
	}
	ctx, stop := untilStopped(ctx)
	defer stop()
	why, ok := poll(ctx, *timeout, is)
	switch {
	case ok:
		return exitOK
	case ctx.Err() != nil:
		return interruptedCode(ctx)
	}
	fmt.Fprintf(c.stderr, "podhook: waited %v for %s: %s\n", *timeout, what, why)
	return exitLate
}

func (c *call) condition(words []string, file, tcp string) (what string, is condition, err error) {
	given := len(words)
	for _, flag := range []string{file, tcp} {
		if flag != "" {
			given++
		}
	}
	if given != 1 {
		return "", nil, usagef("wait: one of HOOK, --file PATH and --tcp ADDR is needed")
	}
	switch {
	case file != "":
		return "file " + file, func(context.Context) (bool, string) {
			_, err := os.Stat(file)
			return err == nil, fmt.Sprint(err)
		}, nil
	case tcp != "":
		if _, _, err := net.SplitHostPort(tcp); err != nil {
			return "", nil, usagef("wait: --tcp: %q: an address such as 127.0.0.1:5432 is needed", tcp)
		}
		return "tcp " + tcp, func(ctx context.Context) (bool, string) {
			conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", tcp)
			if err != nil {
				return false, err.Error()
			}
			return conn.Close() == nil, ""
		}, nil
	}
	is, err = c.hookSucceeded(words[0])
	return "hook " + words[0], is, err
}

func (c *call) hookSucceeded(name string) (condition, error) {
	p, err := open(c, show.PID1Log())
	switch {
	case err != nil:
		return nil, err
	case p.settings.Disabled:
		return func(context.Context) (bool, string) { return true, "" }, nil
	case p.storeErr != nil:
		return nil, p.storeErr
	}
	source := agent.SourceOf(p.settings, c.env)
	source.Hook = name
	configuration, err := agent.LoadForExec(source, p.store, p.logger)
	if err != nil {
		return nil, err
	}
	cfg, err := configuration.Get()
	if err != nil {
		return nil, err
	}
	if cfg.Hooks[name] == nil {
		return nil, usagef("wait: there is no hook %q", name)
	}
	hook := p.store.Hook(name)
	return func(context.Context) (bool, string) {
		rec, found, err := hook.Read()
		switch {
		case err != nil:
			return false, err.Error()
		case !found:
			return false, "it has not run in this instance"
		}
		return rec.Outcome == state.Succeeded, "its last run: " + string(rec.Outcome)
	}, nil
}

// poll looks at once and then again and again, less and less often, until the
// timeout.
func poll(ctx context.Context, timeout time.Duration, is condition) (why string, ok bool) {
	deadline, least := time.Now().Add(timeout), lastLook
	if timeout == 0 {
		least = dialTimeout
	}
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		limited, cancel := context.WithTimeout(ctx, max(time.Until(deadline), least))
		ok, why = is(limited)
		cancel()
		left := time.Until(deadline)
		if ok || left <= 0 || ctx.Err() != nil {
			return why, ok
		}
		timer := time.NewTimer(min(pause, left))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}
