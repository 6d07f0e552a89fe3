package agent

import (
	"cmp"
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/agent/mainprocess"
	"github.com/podhook/podhook/agent/show"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

const (
	// lateCaller is how long a stopped agent waits for the preStop of the main
	// container. In an ordinary second container the agent gets SIGTERM when that
	// preStop begins.
	lateCaller = 2 * time.Second
	// leaveTime is what remains of the grace period for the end of the agent.
	leaveTime = 500 * time.Millisecond
)

// Serve answers at the doors. At a stop signal it runs or joins shutdown, answers
// the calls that still come, and returns when the main process has exited or the grace
// period ends. A third stop signal or the end of ctx ends the wait. The error is that
// of a listener.
func (a *Agent) Serve(ctx context.Context, doors Doors, stops <-chan os.Signal) error {
	failed := make(chan error, 2)
	servers := a.serve(doors, func(err error) { failed <- err })
	leave := func() error {
		servers.leave()
		select {
		case err := <-failed:
			return err
		default:
			return nil
		}
	}
	unstopped, stopped := context.WithCancel(ctx)
	defer stopped()
	go func() {
		main := a.WatchMain(unstopped)
		a.WatchFiles(unstopped) // no earlier: a signal can end a process that only begins
		a.takeOver(unstopped, main)
	}()
	go a.forgetMarkers(unstopped)
	select {
	case err := <-failed:
		failed <- err // for leave
		return leave()
	case <-ctx.Done():
		return leave()
	case sig := <-stops:
		a.Logger.Info(show.StopSignal, "signal", name(sig), "effect", "shutdown is run, then the agent leaves")
	}
	stopped()
	began := time.Now()
	a.stopping.Store(true)
	a.Runner.BeginGrace(began)
	end := began.Add(a.Settings.GracePeriod - leaveTime)
	waiting, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	go endOnThird(waiting, stops, cancel)
	tellStop := a.watchStop(waiting, began)
	a.stopHooks(waiting)
	a.stay(waiting, began)
	tellStop()
	_ = a.Runner.Wait(waiting) // so that every caller gets its answer
	a.Events.Flush(waiting)
	return leave()
}

func name(sig os.Signal) string {
	if s, ok := sig.(syscall.Signal); ok {
		return unix.SignalName(s)
	}
	return sig.String()
}

// endOnThird cancels after two more stop signals.
func endOnThird(ctx context.Context, stops <-chan os.Signal, cancel context.CancelFunc) {
	for range 2 {
		select {
		case <-stops:
		case <-ctx.Done():
			return
		}
	}
	cancel()
}

// stopHooks runs shutdown. If it has joined a run that began before the stop signal and
// has succeeded, it calls shutdown again for the steps that the signal makes necessary.
func (a *Agent) stopHooks(ctx context.Context) {
	request := hooks.Request{Trigger: state.TriggerSignal}
	result, err := a.Runner.Call(ctx, config.Shutdown, request)
	if err == nil && result.Joined && result.Record.Outcome == state.Succeeded {
		result, err = a.Runner.Call(ctx, config.Shutdown, request)
	}
	if err != nil && ctx.Err() == nil {
		a.Logger.Error("shutdown not run", "error", err.Error(), "joined", result.Joined)
	}
}

// stay waits for late callers: until the main process exits, or for lateCaller if it is
// not known.
func (a *Agent) stay(ctx context.Context, began time.Time) {
	if a.Finder != nil {
		p, err := a.Finder.Current()
		if err == nil {
			_ = p.WaitExit(ctx)
		}
		var gone *mainprocess.GoneError
		if err == nil || errors.As(err, &gone) {
			return
		}
	}
	timer := time.NewTimer(cmp.Or(a.lateCaller, lateCaller))
	defer timer.Stop()
	select {
	// An older call was about an earlier restart of the main container.
	case <-a.shutdownCalls.since(began.Add(-a.Settings.GracePeriod)):
	case <-timer.C:
	case <-ctx.Done():
	}
}
