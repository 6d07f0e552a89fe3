package agent

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/podhook/podhook/agent/mainprocess"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

const (
	// lateCaller is how long an agent that was told to stop stays for a preStop
	// that is still on its way: as an ordinary second container it gets SIGTERM
	// when the main container's preStop begins.
	lateCaller = 2 * time.Second
	// leaveTime is what remains of the grace period for the agent's own end.
	leaveTime = 500 * time.Millisecond
)

// Serve answers on the listener until a stop signal came and what it asked for
// is done: shutdown is run or joined, whoever calls is answered, and the agent
// leaves when the main process has gone or the grace period ends. A third stop
// signal, or the end of ctx, ends the waiting. The error is the listener's.
func (a *Agent) Serve(ctx context.Context, listener net.Listener, stops <-chan os.Signal) error {
	server := a.server()
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	unstopped, stopped := context.WithCancel(ctx)
	defer stopped()
	go a.takeOver(unstopped)
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return a.leave(server, failed)
	case sig := <-stops:
		a.Logger.Info("stop signal received", "signal", sig.String())
	}
	stopped()
	began := time.Now()
	a.stopping.Store(true)
	a.Runner.BeginGrace(began)
	end := began.Add(a.Settings.GracePeriod - leaveTime)
	waiting, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	go endOnThird(waiting, stops, cancel)
	a.stopHooks(waiting)
	a.stay(waiting, began)
	_ = a.Runner.Wait(waiting) // who waits for a run shall have its answer
	return a.leave(server, failed)
}

// endOnThird cancels when two more stop signals have come: an operator who says
// it three times means it.
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

// stopHooks runs shutdown, or what it owes where it has succeeded: a run that goes
// on may have skipped, before the stop signal, what it would not skip now.
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

// stay waits for those who may still call: as long as the main process is there,
// or for a moment where nothing is known of one.
func (a *Agent) stay(ctx context.Context, began time.Time) {
	if a.Finder != nil {
		p, err := a.Finder.Current()
		if err == nil {
			_ = p.WaitExit(ctx) // however it ends, the waiting is over
		}
		var gone *mainprocess.GoneError
		if err == nil || errors.As(err, &gone) {
			return
		}
	}
	timer := time.NewTimer(cmp.Or(a.lateCaller, lateCaller))
	defer timer.Stop()
	select {
	case <-a.asked.since(began.Add(-a.Settings.GracePeriod)):
	case <-timer.C:
	case <-ctx.Done():
	}
}

// asked remembers when a call of shutdown over HTTP was last answered. A call that
// is older than the grace period was about an earlier restart of the main
// container. Its zero value is ready.
type asked struct {
	mu   sync.Mutex
	last time.Time
	next chan struct{} // closed at the next answer; nil where nobody waits
}

// since returns a channel that is closed when there is an answer later than t.
func (a *asked) since(t time.Time) <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.last.After(t) {
		answered := make(chan struct{})
		close(answered)
		return answered
	}
	if a.next == nil {
		a.next = make(chan struct{})
	}
	return a.next
}

func (a *asked) answer() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last = time.Now()
	if a.next != nil {
		close(a.next)
		a.next = nil
	}
}

// leave answers the calls that are there and closes the listener.
func (a *Agent) leave(server *http.Server, failed <-chan error) error {
	ctx, cancel := context.WithTimeout(context.Background(), leaveTime)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		_ = server.Close() // Shutdown has said what there is to say
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
