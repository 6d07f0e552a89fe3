package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/podhook/podhook/agent"
	"github.com/podhook/podhook/agent/show"
	"github.com/podhook/podhook/agent/supervisor"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/process"
)

// defaultListen is where podhook serve listens without PODHOOK_LISTEN.
const defaultListen = ":8080"

// memoryLimit is a soft limit, in bytes.
const memoryLimit = 20 << 20

// endTime bounds how long the agent, on its way out, waits for the end of the runs
// that it has interrupted.
const endTime = 5 * time.Second

// defineServe is the HTTP agent of a container: podhook serve.
func defineServe(inv *invocation, fs *flag.FlagSet) action {
	inv.settingFlags(fs, "config", "listen")
	return func(ctx context.Context, _ []string) int { return serve(ctx, inv) }
}

func serve(ctx context.Context, inv *invocation) int {
	inv.survivePipes()
	// Before anything else: PID 1 does not get a signal that it has no handler for.
	stops, reloads := make(chan os.Signal, 3), make(chan os.Signal, 1)
	signal.Notify(stops, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT)
	signal.Notify(reloads, syscall.SIGHUP)
	limitMemory()
	reaper := process.NewReaper()
	defer reaper.Close()
	ctx, interrupt := context.WithCancelCause(ctx)
	defer interrupt(nil)
	a, err := openAgent(ctx, inv, reaper)
	if err != nil {
		return inv.fail(err)
	}
	defer endRuns(a.Runner, interrupt)
	supervisor.MakeThreads(supervisor.ForHooks)
	doors, err := openDoors(a, cmp.Or(string(a.Settings.Listen), defaultListen))
	if err != nil {
		return inv.fail(err)
	}
	go func() {
		for range reloads {
			a.Configuration.Reload()
		}
	}()
	err = a.Serve(ctx, doors, stops)
	a.LogFigures()
	a.SendFigures()
	if err != nil {
		return inv.fail(err)
	}
	return exitOK
}

// limitMemory keeps the heap of an agent small: half of the default while it is idle. What
// callers make it need is bounded by its connections; near the limit the garbage collector
// works harder, so that podhook never takes the memory of CMD.
func limitMemory() {
	debug.SetGCPercent(50)
	debug.SetMemoryLimit(memoryLimit)
}

// endRuns interrupts the runs that go on. A run that does not end within endTime ends
// with the container.
func endRuns(runner *hooks.Runner, interrupt context.CancelCauseFunc) {
	interrupt(errors.New("the agent leaves"))
	ctx, cancel := context.WithTimeout(context.Background(), endTime)
	defer cancel()
	_ = runner.Wait(ctx)
}

// openAgent makes the agent of podhook serve. Its runs end with ctx.
func openAgent(ctx context.Context, inv *invocation, reaper *process.Reaper) (*agent.Agent, error) {
	c, err := openContainer(inv, show.OwnLog(), toWrite)
	if err == nil {
		err = c.storeErr
	}
	if err != nil {
		return nil, err
	}
	configuration, err := agent.LoadConfiguration(agent.SourceOf(c.settings, inv.env), c.store, c.logger)
	if err != nil && c.settings.Disabled {
		// A broken configuration can be the reason why podhook was disabled.
		c.logger.Error("configuration not read, podhook is disabled", "error", err.Error())
		configuration, err = agent.LoadConfiguration(config.Source{Text: "hooks: {}"}, nil, c.logger)
	}
	if err != nil {
		return nil, err
	}
	a, err := c.newAgent(ctx, inv, configuration, reaper, c.main())
	if err != nil {
		return nil, err
	}
	a.Runner.Options.OwnContainer = true
	return a, nil
}

// openDoors opens the listeners of an agent. main is the address of the main one.
func openDoors(a *agent.Agent, main string) (agent.Doors, error) {
	doors, err := agent.OpenDoors(a.Settings, a.Logger, main, string(a.Settings.MetricsListen))
	if err != nil {
		return agent.Doors{}, usagef("%v", err)
	}
	return doors, nil
}
