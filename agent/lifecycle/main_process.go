package lifecycle

import (
	"context"
	"sync"
	"syscall"

	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/procfs"
	"github.com/podhook/podhook/hooks/state"
)

// Main is the main process as hooks see it where podhook has started it. Its
// methods may be called by any number of goroutines.
type Main struct {
	mu       sync.Mutex
	super    supervised // from the start on
	identity *state.MainIdentity
	gone     chan struct{}
}

// NewMain is a main process that has not been started.
func NewMain() *Main { return &Main{gone: make(chan struct{})} }

func (m *Main) started(pid int, super supervised) state.MainIdentity {
	m.mu.Lock()
	defer m.mu.Unlock()
	// Without /proc the start time stays 0: the child cannot be recycled while it
	// is ours to reap.
	child, _ := procfs.Proc.Stat(pid)
	m.identity, m.super = &state.MainIdentity{PID: pid, StartTime: child.Start}, super
	return *m.identity
}

func (m *Main) exited() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.identity = nil
	close(m.gone)
}

// Signal sends sig. The error is a *hooks.GoneError before the start and after the
// end.
func (m *Main) Signal(sig syscall.Signal) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.identity == nil {
		return m.absent()
	}
	return m.super.Deliver(sig)
}

// absent says why there is no main process. The caller holds the lock.
func (m *Main) absent() error {
	select {
	case <-m.gone:
		return &hooks.GoneError{Why: "the main process has exited already"}
	default:
		return &hooks.GoneError{Why: "the main process has not been started"}
	}
}

// Identity is nil before the start and after the end.
func (m *Main) Identity() *state.MainIdentity {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.identity == nil {
		return nil
	}
	identity := *m.identity
	return &identity
}

// WaitExit returns when the main process has ended, or with the error of ctx. There
// is only one in a life, whichever was there when a run began. Nobody waits for one
// that was not started yet.
func (m *Main) WaitExit(ctx context.Context, _ *state.MainIdentity) error {
	if m.Identity() == nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.absent()
	}
	select {
	case <-m.gone:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
