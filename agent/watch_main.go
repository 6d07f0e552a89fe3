package agent

import (
	"context"
	"errors"
	"time"

	"github.com/podhook/podhook/agent/mainprocess"
	"github.com/podhook/podhook/hooks/state"
)

const (
	firstLook = 50 * time.Millisecond // the first pause between two searches
	slowLook  = 5 * time.Second       // the longest pause
	// missed is when the log says that the main process is not found. A native sidecar
	// starts before the main container.
	missed = 5 * time.Second
)

// WatchMain searches for the main process until it is found. It logs that it is not
// found and why, or that podhook may not signal it. It returns nil where the main
// process has exited, or when ctx ends.
func (a *Agent) WatchMain(ctx context.Context) *state.MainIdentity {
	if a.Finder == nil {
		return nil
	}
	began, logged := time.Now(), false
	for pause := firstLook; ; pause = min(2*pause, slowLook) {
		p, err := a.Finder.Current()
		var gone *mainprocess.GoneError
		if err == nil {
			a.foundMain(p)
			main := p.Identity()
			return &main
		} else if errors.As(err, &gone) || ctx.Err() != nil {
			return nil
		}
		if !logged && time.Since(began) >= missed {
			logged = true
			a.Logger.Warn("main process not found, the search goes on", "error", err.Error())
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

func (a *Agent) foundMain(p *mainprocess.Process) {
	a.Logger.Info("main process found", "target", a.Finder.Target().String(), "pid", p.PID(), "name", p.Name())
	if _, err := p.Signal(0); err != nil {
		a.Logger.Warn("main process cannot be signalled", "error", err.Error())
	}
}

// forgetMarkers removes the markers of a main container that has ended, so that what waits
// for them waits for its next start. It ends with ctx.
func (a *Agent) forgetMarkers(ctx context.Context) {
	if a.Finder == nil {
		return
	}
	for pause := firstLook; ctx.Err() == nil; pause = min(2*pause, slowLook) {
		if p, err := a.Finder.Current(); err == nil {
			if p.WaitExit(ctx) == nil { // the container may end a little later
				a.mainExited(time.Now(), time.Time{})
			}
			pause = firstLook
		}
		if cfg, err := a.Configuration.Get(); err == nil && ctx.Err() == nil {
			a.Runner.Prepare(cfg)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}
