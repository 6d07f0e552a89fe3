package agent

import (
	"context"
	"errors"
	"syscall"

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
