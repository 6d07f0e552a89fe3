package agent

import (
	"errors"
	"io/fs"
	"syscall"

	"github.com/podhook/podhook/agent/mainprocess"
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

// Identity is nil where there is no main process now.
func (m Main) Identity() *state.MainIdentity {
	p, err := m.Finder.Current()
	if err != nil {
		return nil
	}
	return &state.MainIdentity{PID: p.PID(), StartTime: p.StartTime()}
}
