package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"github.com/podhook/podhook/agent"
	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/agent/show"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/process"
	"github.com/podhook/podhook/hooks/process/inherited"
	"github.com/podhook/podhook/hooks/state"
)

// builtinHook returns the command of a hook that always exists.
func builtinHook(name string) func(*invocation, *flag.FlagSet) action {
	return func(inv *invocation, fs *flag.FlagSet) action {
		run := namedHook(inv, fs)
		return func(ctx context.Context, _ []string) int { return run(ctx, []string{name}) }
	}
}

// namedHook is the command of any hook.
func namedHook(inv *invocation, fs *flag.FlagSet) action {
	force := forceFlag(fs)
	inv.settingFlags(fs, "config")
	return func(ctx context.Context, words []string) int { return execHook(ctx, inv, words[0], *force) }
}

func forceFlag(fs *flag.FlagSet) *bool {
	return fs.Bool("force", false, "run the hook even if it has succeeded")
}

// execHook runs a hook for a postStart or preStop exec. It runs in a worker, so that the
// run goes on when the caller is killed.
func execHook(ctx context.Context, inv *invocation, name string, force bool) int {
	if status, died := inherited.Died(); died {
		return mourn(inv, name, status)
	}
	if inv.guard == nil {
		if code, done := callWorker(ctx, inv, name); done {
			return code
		}
		return callHook(ctx, nil, inv, name, force)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	return callHook(ctx, inv.guard.watch(cancel), inv, name, force)
}

// callHook runs a hook in this process. See hookCall.run.
func callHook(ctx, caller context.Context, inv *invocation, name string, force bool) int {
	h, err := openHook(inv, name, force, toWrite)
	if err != nil {
		return inv.fail(err)
	}
	if store := h.container.store; store != nil && !h.container.settings.Disabled {
		// An error only means that podhook run does not wait for the end of this call.
		if mark, err := store.Hook(name).Call(); err == nil {
			inv.guard.hold(mark)
		}
	}
	return h.run(ctx, caller)
}

// hookCall is one call of a hook by exec.
type hookCall struct {
	inv           *invocation
	container     *container
	configuration *agent.Configuration // nil where podhook is disabled
	name          string
	force         bool
}

// openHook opens what a call of a hook needs.
func openHook(inv *invocation, name string, force bool, u use) (*hookCall, error) {
	c, err := openContainer(inv, show.ContainerLog(), u)
	if err != nil {
		return nil, err
	}
	h := &hookCall{inv: inv, container: c, name: name, force: force}
	if c.settings.Disabled {
		return h, nil // a broken configuration can be the reason for that
	}
	if h.configuration, err = c.configuration(inv, name); err != nil {
		return nil, err
	}
	return h, h.checkMain()
}

// checkMain refuses a hook that needs a main process where none is configured,
// before any step runs. Without a state podhook run may know one.
func (h *hookCall) checkMain() error {
	cfg, err := h.configuration.Get()
	if err != nil || cfg.Hooks[h.name] == nil || h.container.store == nil {
		return err
	}
	return h.container.needsMain(cfg.Hooks[h.name].NeedMain())
}

// options returns the options of the Runner, without its Reaper.
func (h *hookCall) options() hooks.Options {
	o := h.container.options(h.inv)
	if h.configuration != nil {
		o.Config = h.configuration.Get
	}
	if h.inv.live {
		live := show.NewLogger(h.inv.stdout, settings.Text)
		o.Observer = show.All{o.Observer, show.Log{Logger: live, NoEnds: true}}
	}
	return o
}

// printRefused prints why the newest configuration is not in force.
func (h *hookCall) printRefused() {
	if h.configuration == nil {
		return
	}
	if _, refused := h.configuration.Refused(); refused != nil {
		fmt.Fprintf(h.inv.stderr, "podhook: the configuration is broken, the last good one is in force:\n%s\n", show.Cut(refused.Error(), 600))
	}
}

// run runs the hook in this process or joins the run of another one, prints the
// summary and returns the exit code. caller is nil if this process is no worker;
// otherwise it ends with the process that has started the worker.
func (h *hookCall) run(ctx, caller context.Context) int {
	if caller == nil {
		var stop func()
		ctx, stop = untilStopped(ctx)
		defer stop()
	}
	reaper := process.NewReaper() // closed by the end of the process, which comes next
	h.container.adoptOrphans(reaper)
	o := h.options()
	o.Reaper = reaper
	// The end of ctx stops the run; the call still waits for its outcome.
	request := hooks.Request{Trigger: state.TriggerExec, Force: h.force, Joiner: caller}
	began := time.Now()
	result, err := hooks.New(ctx, o).Call(context.WithoutCancel(ctx), h.name, request)
	sent := h.sendFigures(began, result)
	h.flushEvents(began)
	sent()
	code := h.report(ctx, result, err)
	if caller != nil {
		if reaper.Draining() > 0 {
			leaveStdio()
			h.inv.guard.tell(verdict{code: code, stays: true})
		}
		_ = reaper.Drain(context.WithoutCancel(ctx)) // until the last background process has closed its output
	}
	return code
}

// report prints the bounded summary and returns the exit code.
func (h *hookCall) report(ctx context.Context, result hooks.Result, err error) int {
	h.printRefused()
	var by *stoppedBy
	if errors.As(err, &by) {
		fmt.Fprintf(h.inv.stderr, "podhook: hook %s interrupted: %v\n", h.name, err)
		return interruptedCode(ctx)
	}
	if err != nil {
		return h.inv.fail(err)
	}
	verdict := hooks.Judge(result, nil)
	if verdict.ExitCode == exitOK {
		fmt.Fprint(h.inv.stdout, show.Summary(result, h.inv.room))
		return exitOK
	}
	fmt.Fprint(h.inv.stderr, show.Summary(result, h.inv.room))
	if result.Record.Outcome == state.Interrupted {
		return interruptedCode(ctx)
	}
	return verdict.ExitCode
}
