package main

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"github.com/podhook/podhook/agent"
	"github.com/podhook/podhook/agent/show"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/process"
	"github.com/podhook/podhook/hooks/state"
)

// builtinHook is the command of a hook that has one of its own.
func builtinHook(name string) func(context.Context, *call) int {
	return func(ctx context.Context, c *call) int {
		c.briefly()
		fs := flag.NewFlagSet(name, flag.ContinueOnError)
		force := fs.Bool("force", false, "")
		if err := noWords(fs, c.args); err != nil {
			return c.fail(err)
		}
		return execHook(ctx, c, name, *force)
	}
}

func namedHook(ctx context.Context, c *call) int {
	c.briefly()
	fs := flag.NewFlagSet("hook", flag.ContinueOnError)
	force := fs.Bool("force", false, "")
	words, err := parse(fs, c.args)
	if err == nil && len(words) != 1 {
		err = usagef("hook: the name of one hook is needed")
	}
	if err != nil {
		return c.fail(err)
	}
	return execHook(ctx, c, words[0], *force)
}

// execHook runs a hook for a postStart or preStop exec. Where there is work to do
// it does so in a worker, so that a caller that is killed does not stop the run.
func execHook(ctx context.Context, c *call, name string, force bool) int {
	h, err := openHook(c, name, force)
	if err != nil {
		return c.fail(err)
	}
	if h.settings.Disabled {
		return h.run(ctx, nil)
	}
	if h.store != nil {
		_ = h.store.Hook(name).Call() // without it, podhook run does not wait for our end
	}
	if h.hasWork() {
		if code, done := h.callWorker(ctx); done {
			return code
		}
	}
	return h.run(ctx, nil)
}

// hookCall is one exec'd hook.
type hookCall struct {
	*call
	*parts
	configuration *agent.Configuration
	name          string
	force         bool
}

func openHook(c *call, name string, force bool) (*hookCall, error) {
	survivePipes()
	p, err := open(c, show.ContainerLog())
	if err != nil {
		return nil, err
	}
	h := &hookCall{call: c, parts: p, name: name, force: force}
	if p.settings.Disabled {
		return h, nil // also where the configuration is what is wrong
	}
	if h.configuration, err = p.configurationOf(c, name); err != nil {
		return nil, err
	}
	return h, h.mainIsKnown()
}

// mainIsKnown refuses a hook that signals a main process which nobody has named,
// before anything of it runs. Without a state it may be that podhook run knows.
func (h *hookCall) mainIsKnown() error {
	cfg, err := h.configuration.Get()
	if err != nil || cfg.Hooks[h.name] == nil || h.store == nil {
		return err
	}
	// Only of this hook: another one's mistake must not cost the drain.
	return h.needsMain(cfg.Hooks[h.name].NeedMain())
}

func (h *hookCall) sayRefused() {
	if h.configuration == nil { // where podhook is disabled
		return
	}
	if _, refused := h.configuration.Refused(); refused != nil {
		fmt.Fprintf(h.stderr, "podhook: the configuration is broken, the last good one is in force:\n%s\n", show.Cut(refused.Error(), 600))
	}
}

// hasWork says whether the call may run a step: it does not where the hook has
// none or has succeeded already.
func (h *hookCall) hasWork() bool {
	cfg, err := h.configuration.Get()
	if err != nil {
		return false
	}
	hook := cfg.Hooks[h.name]
	if hook == nil || len(hook.Steps) == 0 {
		return false
	}
	if h.store == nil || h.force {
		return true
	}
	if h.name == config.Shutdown && h.finder != nil {
		return true // a main process that has come since makes it run again
	}
	rec, found, err := h.store.Hook(h.name).Read()
	return err != nil || !found || rec.Outcome != state.Succeeded || !h.store.Current(rec)
}

// run runs the hook in this process, or joins the run of another one, prints the
// summary and returns the exit code. A worker's caller ends with the process that
// started it; it is nil where this process is no worker.
func (h *hookCall) run(ctx, caller context.Context) int {
	ctx, stop := untilStopped(ctx)
	defer stop()
	reaper := process.NewReaper()
	defer reaper.Close()
	h.adopt(reaper)
	o := h.options(h.call)
	o.Reaper = reaper
	if h.configuration != nil {
		o.Config = h.configuration.Get
	}
	// ctx stops the run, and how it ended is waited for all the same.
	request := hooks.Request{Trigger: state.TriggerExec, Force: h.force, Joiner: caller}
	result, err := hooks.New(ctx, o).Call(context.WithoutCancel(ctx), h.name, request)
	code := h.report(ctx, result, err)
	if caller != nil {
		v := verdict{code: code, stays: reaper.Draining() > 0}
		if v.stays {
			leaveStdio()
		}
		v.tell()
		_ = reaper.Drain(context.WithoutCancel(ctx)) // until the last background process has closed its output
	}
	return code
}

// report prints the bounded summary and returns the exit code.
func (h *hookCall) report(ctx context.Context, result hooks.Result, err error) int {
	h.sayRefused()
	var by *stoppedBy
	if errors.As(err, &by) {
		fmt.Fprintf(h.stderr, "podhook: hook %s interrupted: %v\n", h.name, err)
		return interruptedCode(ctx)
	}
	if err != nil {
		return h.fail(err)
	}
	verdict := hooks.Judge(result, nil)
	if verdict.ExitCode == exitOK {
		fmt.Fprint(h.stdout, show.Summary(result, h.room))
		return exitOK
	}
	fmt.Fprint(h.stderr, show.Summary(result, h.room))
	if result.Record.Outcome == state.Interrupted {
		return interruptedCode(ctx)
	}
	return verdict.ExitCode
}
