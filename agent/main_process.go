package agent

import (
	"context"
	"errors"
	"syscall"
	"time"

	"github.com/podhook/podhook/agent/mainprocess"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/state"
)

// Main is the main process as hooks see it.
type Main struct{ Finder *mainprocess.Finder }

// Signal sends sig. The error is a *hooks.GoneError where the main process was seen
// and has exited; for one that was never seen, why it is not found.
func (m Main) Signal(sig syscall.Signal) error {
	p, err := m.Finder.Current()
	if err != nil {
		return asGone(err)
	}
	gone, err := p.Signal(sig)
	if gone {
		return asGone(&mainprocess.GoneError{Target: m.Finder.Target(), PID: p.PID()})
	}
	return err
}

// WaitExit waits for the end of the process that began names, or of the main process
// as it is now. It has errors as Signal has.
func (m Main) WaitExit(ctx context.Context, began *state.MainIdentity) error {
	if began != nil {
		return asGone(m.Finder.WaitExit(ctx, *began))
	}
	p, err := m.Finder.Current()
	if err != nil {
		return asGone(err)
	}
	return p.WaitExit(ctx)
}

// asGone tells hooks of a process that is known to be gone.
func asGone(err error) error {
	var gone *mainprocess.GoneError
	if errors.As(err, &gone) {
		return &hooks.GoneError{Why: gone.Error()}
	}
	return err
}

// The pauses between two looks for a main process that is not there yet, and when
// the log is told: a native sidecar starts before the main container.
const (
	firstLook = 50 * time.Millisecond
	slowLook  = 5 * time.Second
	missed    = 5 * time.Second
)

// WatchMain looks for the main process until it is found, so that it is known to
// have been there, and tells the log what a person should know: that it is not found
// and why, or that podhook may not signal it. It returns nil where the main process
// is gone, or ctx ends.
func (a *Agent) WatchMain(ctx context.Context) *state.MainIdentity {
	if a.Finder == nil {
		return nil
	}
	began, told := time.Now(), false
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
		if !told && time.Since(began) >= missed {
			told = true
			a.Logger.Warn("main process not found, it is still looked for", "error", err.Error())
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

// Targets finds other processes than the main one, by a target as for PODHOOK_MAIN.
func Targets(memory mainprocess.Memory) func(target string) (hooks.MainProcess, error) {
	return func(target string) (hooks.MainProcess, error) {
		t, err := mainprocess.Parse(target)
		if err != nil {
			return nil, err
		}
		return Main{Finder: mainprocess.NewFinder(t, memory)}, nil
	}
}

// Identity is nil where there is no main process now, or none can be told.
func (m Main) Identity() *state.MainIdentity {
	p, err := m.Finder.Current()
	if err != nil {
		return nil
	}
	id := p.Identity()
	return &id
}
