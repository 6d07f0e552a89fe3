package mainprocess

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/process"
	"github.com/podhook/podhook/hooks/procfs"
	"github.com/podhook/podhook/hooks/state"
)

// Process is one process. It never means a later process with the same PID. Its methods
// may be called from any goroutine.
type Process struct {
	pid   int
	start uint64
	name  string
	// pidfd is nil where there are no pidfds; see openPidfd.
	pidfd *os.File

	markExited sync.Once
	exited     chan struct{} // closed when the exit has been seen
	startWatch sync.Once
	markClosed sync.Once
	closed     chan struct{}
}

// errGone says that there is no such process, or that it has exited.
var errGone = errors.New("no such process")

// open opens the process that has the PID now.
func open(pid int) (*Process, procfs.Stat, error) {
	fd, err := openPidfd(pid)
	if err != nil {
		return nil, procfs.Stat{}, err
	}
	// Without pidfd_open(2), which refuses the number of a thread that does not lead
	// its process, the kernel still has such a number in /proc.
	if leader := procfs.Proc.Status(pid, "Tgid"); fd == nil && leader != "" && leader != strconv.Itoa(pid) {
		return nil, procfs.Stat{}, errGone
	}
	p := &Process{pid: pid, pidfd: fd, exited: make(chan struct{}), closed: make(chan struct{})}
	s, err := procfs.Proc.Stat(pid)
	if err != nil {
		p.Close()
		return nil, procfs.Stat{}, errGone
	}
	p.start, p.name = s.Start, s.Comm
	// If the process of the pidfd is alive now, it had the PID all the time since
	// pidfd_open, so what was read is about this process.
	if !p.Alive() {
		p.Close()
		return nil, procfs.Stat{}, errGone
	}
	return p, s, nil
}

// PID returns the process's PID in podhook's PID namespace.
func (p *Process) PID() int { return p.pid }

// Name returns the process's comm when it was found: at most 15 bytes.
func (p *Process) Name() string { return p.name }

// Identity returns the PID and the start time, which no other process has.
func (p *Process) Identity() state.MainIdentity {
	return state.MainIdentity{PID: p.pid, StartTime: p.start}
}

// Alive reports whether the process runs. A zombie does not run. It asks the pidfd,
// which costs one system call. After Close it returns what was known then.
func (p *Process) Alive() bool {
	select {
	case <-p.exited:
		return false
	default:
	}
	if p.hasExited() {
		p.sawExit()
		return false
	}
	return true
}

// Signal sends a signal. gone says that the process had already exited, which is no
// error. The error is a *process.DeniedError where podhook may not signal the process,
// and os.ErrClosed after Close of a live process.
func (p *Process) Signal(sig syscall.Signal) (gone bool, err error) {
	// A signal to a zombie succeeds.
	if !p.Alive() {
		return true, nil
	}
	var denied *process.DeniedError
	switch err := p.send(sig); {
	case err == nil:
		return false, nil
	case errors.Is(err, unix.ESRCH):
		p.sawExit()
		return true, nil
	case errors.Is(err, os.ErrClosed) && !p.Alive():
		return true, nil // a Finder has noticed the exit and closed it
	case errors.As(err, &denied):
		return false, err
	default:
		return false, fmt.Errorf("signal %d to process %d (%s): %w", int(sig), p.pid, p.name, err)
	}
}

// WaitExit returns nil when the process has exited, whether its parent has reaped it or
// not. If ctx ends first, it returns the error of ctx. The process need not be a child of
// podhook. All waiters of a process share one goroutine, which ends with the process or
// with Close. After Close of a live process the error is os.ErrClosed.
func (p *Process) WaitExit(ctx context.Context) error {
	if !p.Alive() {
		return nil
	}
	p.startWatch.Do(func() { go p.watch() })
	err := os.ErrClosed
	select {
	case <-p.exited:
	case <-p.closed:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if !p.Alive() {
		return nil // the exit counts, even if something else has happened too
	}
	return err
}

// Close releases the process's pidfd. It may be called again.
func (p *Process) Close() error {
	p.markClosed.Do(func() {
		close(p.closed)
		if p.pidfd != nil {
			p.pidfd.Close()
		}
	})
	return nil
}

func (p *Process) sawExit() { p.markExited.Do(func() { close(p.exited) }) }

func (p *Process) watch() {
	if p.pidfd != nil && awaitPidfd(p.pidfd) == nil {
		p.sawExit()
		return
	}
	// The pidfd was closed, or there is none, so poll.
	const interval = 100 * time.Millisecond
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for p.Alive() {
		select {
		case <-tick.C:
		case <-p.closed:
			return
		case <-p.exited:
			return
		}
	}
}

func (p *Process) hasExited() bool {
	if p.pidfd != nil {
		return pidfdExited(p.pidfd)
	}
	select {
	case <-p.closed:
		return false
	default:
	}
	s, err := procfs.Proc.Stat(p.pid)
	return err != nil || s.Start != p.start || s.Exited()
}

func (p *Process) send(sig syscall.Signal) error {
	select {
	case <-p.closed:
		return os.ErrClosed
	default:
	}
	if p.pidfd == nil {
		return process.Signal(-1, p.pid, p.start, sig)
	}
	c, err := p.pidfd.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	// Control keeps the descriptor open during the call.
	if err := c.Control(func(fd uintptr) { sent = process.Signal(int(fd), p.pid, p.start, sig) }); err != nil {
		return os.ErrClosed
	}
	return sent
}
