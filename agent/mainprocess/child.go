package mainprocess

import (
	"context"
	"sync"
	"syscall"

	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/procfs"
	"github.com/podhook/podhook/hooks/state"
)

// Child is the main process that podhook run starts. It implements
// hooks.MainProcess. Its methods may be called from any goroutine.
type Child struct {
	mu       sync.Mutex
	deliver  func(syscall.Signal) error // nil before the start
	identity *state.MainIdentity        // nil before the start and after the end
	gone     chan struct{}
}

// NewChild returns a main process that has not been started.
func NewChild() *Child { return &Child{gone: make(chan struct{})} }

// Start starts the process, which gets signals by deliver. Everybody who asks for it
// meanwhile waits: it can already do what a hook waits for, and be sent a signal then.
func (c *Child) Start(start func() (pid int, err error), deliver func(syscall.Signal) error) (state.MainIdentity, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	pid, err := start()
	if err != nil {
		return state.MainIdentity{}, err
	}
	// Without /proc the start time stays 0: the child cannot be recycled while it
	// is ours to reap.
	stat, _ := procfs.Proc.Stat(pid)
	c.identity, c.deliver = &state.MainIdentity{PID: pid, StartTime: stat.Start}, deliver
	return *c.identity, nil
}

// Exited says that the process has ended. It is called once.
func (c *Child) Exited() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.identity = nil
	close(c.gone)
}

// Signal sends a signal. The error is a *hooks.GoneError before the start and after
// the end.
func (c *Child) Signal(sig syscall.Signal) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.identity == nil {
		return c.absent()
	}
	return c.deliver(sig)
}

// Absent returns why there is no main process now, or nil: a *hooks.GoneError before the
// start and after the end.
func (c *Child) Absent() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.identity == nil {
		return c.absent()
	}
	return nil
}

// absent returns why there is no main process. The caller holds the lock.
func (c *Child) absent() error {
	if c.deliver == nil {
		return &hooks.GoneError{Why: "the main process has not been started"}
	}
	return &hooks.GoneError{Why: "the main process has exited already"}
}

// Identity is nil before the start and after the end.
func (c *Child) Identity() *state.MainIdentity {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.identity == nil {
		return nil
	}
	identity := *c.identity
	return &identity
}

// WaitExit returns nil when the process has ended, or the error of ctx. It ignores
// which process was there when a run began, because podhook run starts only one. The
// error is a *hooks.GoneError before the start and after the end.
func (c *Child) WaitExit(ctx context.Context, _ *state.MainIdentity) error {
	if err := c.Absent(); err != nil {
		return err
	}
	select {
	case <-c.gone:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
