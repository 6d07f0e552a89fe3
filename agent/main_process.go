package agent

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"github.com/podhook/podhook/agent/mainprocess"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/state"
)

// Main is the main process as hooks see it.
type Main struct{ Finder *mainprocess.Finder }

// Signal sends sig. A main process that is gone is a result: it cannot be told
// from one of a name that never was there, and both have exited.
func (m Main) Signal(sig syscall.Signal) (gone bool, err error) {
	p, err := m.Finder.Current()
	// A server that stops removes its pidfile.
	if errors.Is(err, mainprocess.ErrNone) || errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return p.Signal(sig)
}

// WaitExit waits for the end of the main process as it is now. One that is gone,
// or never was there, has exited; so has one whose pidfile is gone.
func (m Main) WaitExit(ctx context.Context) error {
	p, err := m.Finder.Current()
	if errors.Is(err, mainprocess.ErrNone) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return p.WaitExit(ctx)
}

// Target is another process than the main one, by a target as for PODHOOK_MAIN.
func Target(target string) (hooks.MainProcess, error) {
	t, err := mainprocess.Parse(target)
	if err != nil {
		return nil, err
	}
	return Main{Finder: mainprocess.NewFinder(t)}, nil
}

// Identity is nil where there is no main process now.
func (m Main) Identity() *state.MainIdentity {
	p, err := m.Finder.Current()
	if err != nil {
		return nil
	}
	return &state.MainIdentity{PID: p.PID(), StartTime: p.StartTime()}
}
