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
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/process"
)

// defaultListen lets `httpGet: {path: /shutdown, port: 8080}` work with no
// configuration at all.
const defaultListen = ":8080"

// endTime is what runs that are going on have to be ended in when the agent leaves.
const endTime = 5 * time.Second

func serve(ctx context.Context, c *call) int {
	if err := noWords(flag.NewFlagSet("serve", flag.ContinueOnError), c.args); err != nil {
		return c.fail(err)
	}
	survivePipes()
	// Before anything else: as PID 1 a signal without a handler is lost.
	stops, reloads := make(chan os.Signal, 3), make(chan os.Signal, 1)
	signal.Notify(stops, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT)
	signal.Notify(reloads, syscall.SIGHUP)
	// The heap of an idle agent is small; half of the default keeps it so.
	debug.SetGCPercent(50)
	a, end, err := newAgent(ctx, c)
	if err != nil {
		return c.fail(err)
	}
	defer end()
	listener, err := listen(a)
	if err != nil {
		return c.fail(err)
	}
	go func() {
		for range reloads {
			a.Configuration.Reload()
		}
	}()
	if err := a.Serve(ctx, listener, stops); err != nil {
		return c.fail(err)
	}
	return exitOK
}

// newAgent makes the agent of podhook serve; end interrupts what is still going
// on.
func newAgent(ctx context.Context, c *call) (a *agent.Agent, end func(), err error) {
	p, err := open(c, show.OwnLog())
	if err == nil {
		err = p.storeErr
	}
	if err != nil {
		return nil, nil, err
	}
	configuration, err := agent.LoadConfiguration(agent.SourceOf(p.settings, c.env), p.store, p.logger)
	if err != nil && p.settings.Disabled {
		// A configuration that cannot be read may be why podhook was turned off.
		p.logger.Error("configuration not read, podhook is disabled", "error", err.Error())
		configuration, err = agent.LoadConfiguration(config.Source{Text: "hooks: {}"}, nil, p.logger)
	}
	if err != nil {
		return nil, nil, err
	}
	life, cancel := context.WithCancelCause(ctx)
	reaper := process.NewReaper()
	p.adopt(reaper)
	end = func() {
		cancel(errors.New("the agent leaves"))
		if a != nil {
			ctx, done := context.WithTimeout(context.Background(), endTime)
			defer done()
			_ = a.Runner.Wait(ctx) // what does not end by then ends with the container
		}
		reaper.Close()
	}
	if a, err = p.assemble(life, c, configuration, reaper, p.finderMain()); err != nil {
		end()
		return nil, nil, err
	}
	a.Runner.Options.OwnContainer = true
	return a, end, nil
}

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
