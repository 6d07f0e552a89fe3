package hooks

import (
	"context"
	"sync/atomic"
	"syscall"

	"github.com/podhook/podhook/hooks/state"
)

// mainProcess is a fake of what agent/mainprocess finds.
type mainProcess struct {
	signals  []syscall.Signal
	err      error
	identity atomic.Pointer[state.MainIdentity]
	exit     chan struct{}
}

func newMainProcess() *mainProcess {
	p := &mainProcess{exit: make(chan struct{})}
	p.identity.Store(&state.MainIdentity{PID: 7, StartTime: 1})
	return p
}

func (p *mainProcess) Signal(sig syscall.Signal) error {
	p.signals = append(p.signals, sig)
	return p.err
}

func (p *mainProcess) Identity() *state.MainIdentity { return p.identity.Load() }

func (p *mainProcess) WaitExit(ctx context.Context, began *state.MainIdentity) error {
	if p.err != nil {
		return p.err
	}
	if now := p.Identity(); began != nil && *began != *now {
		return &GoneError{Why: "process 7 has exited already"}
	}
	select {
	case <-p.exit:
		return nil
	case <-ctx.Done():
	}
	select {
	case <-p.exit: // counts, even if ctx has ended too
		return nil
	default:
		return ctx.Err()
	}
}
