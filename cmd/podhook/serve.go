package main

import (
	"context"
	"errors"
	"flag"
	"net"
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

// endTime bounds how long the agent, on its way out, waits for the end of the runs
// that it has interrupted.
const endTime = 5 * time.Second

// defineServe is the HTTP agent of a container: podhook serve.
func defineServe(inv *invocation, fs *flag.FlagSet) action {
	inv.settingFlags(fs, "config", "listen")
	return func(ctx context.Context, _ []string) int { return serve(ctx, inv) }
}

func serve(ctx context.Context, inv *invocation) int {
	survivePipes()
	// Before anything else: PID 1 does not get a signal that it has no handler for.
	stops, reloads := make(chan os.Signal, 3), make(chan os.Signal, 1)
	signal.Notify(stops, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT)
	signal.Notify(reloads, syscall.SIGHUP)
	// Half of the default keeps the small heap of an idle agent small.
	debug.SetGCPercent(50)
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
	listener, err := listen(a)
	if err != nil {
		return inv.fail(err)
	}
	go func() {
		for range reloads {
			a.Configuration.Reload()
		}
	}()
	if err := a.Serve(ctx, listener, stops); err != nil {
		return inv.fail(err)
	}
	return exitOK
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

// listen opens the listener of an agent.
func listen(a *agent.Agent) (net.Listener, error) {
	address := string(a.Settings.Listen)
	if address == "" {
		address = defaultListen
	}
	listener, err := agent.Listen(address, int(a.Settings.MaxConnections))
	if err != nil {
		return nil, usagef("PODHOOK_LISTEN: %q: %v", address, err)
	}
	if tcp, ok := listener.Addr().(*net.TCPAddr); ok && !tcp.IP.IsLoopback() {
		a.Logger.Warn("everybody who reaches this address can run hooks", "address", tcp.String(),
			"instead", "a NetworkPolicy that lets only the node in")
	}
	a.Logger.Info("agent listens", "address", listener.Addr().String(), "version", version,
		"instance", a.Store.Instance().ID, "state", a.Store.Dir())
	return listener, nil
}
