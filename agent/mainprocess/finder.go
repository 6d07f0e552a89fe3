package mainprocess

import (
	"context"
	"errors"
	"sync"
	"syscall"

	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/procfs"
	"github.com/podhook/podhook/hooks/state"
)

// Memory keeps which process a target has led to. All processes of an instance share
// it, so an exec'd hook can tell a process that has exited from one that nobody saw.
type Memory interface {
	Seen(target string) (state.MainIdentity, bool)
	SaveSeen(target string, found state.MainIdentity) error
}

// Finder finds the main process and keeps it between calls. It implements
// hooks.MainProcess. When the process exits, the Finder searches again: the agent of a
// sidecar outlives the container it serves. Its methods may be called from any
// goroutine.
//
// The first success with a pid target is final: after the exit of that process, the
// Finder always returns *GoneError, whichever process has the number then. The same
// is true of a pidfile until it is written again.
type Finder struct {
	target Target
	memory Memory // nil for none

	mu   sync.Mutex
	last *Process            // the last one found; kept after its exit
	file pidfile             // that led to last
	seen *state.MainIdentity // the last one that any process of the instance found
}

// NewFinder returns a Finder that has not searched yet. memory is nil where nothing
// can be kept.
func NewFinder(t Target, memory Memory) *Finder {
	f := &Finder{target: t, memory: memory}
	if t.started != nil {
		f.seen, f.memory = t.started, nil
	} else {
		f.recall()
	}
	return f
}

// recall asks the memory for the process that another one of the instance has seen.
func (f *Finder) recall() {
	if f.memory == nil {
		return
	}
	if seen, ok := f.memory.Seen(f.target.String()); ok {
		f.seen = &seen
	}
}

// Targets returns a function that parses a target, as PODHOOK_MAIN has it, and
// returns a Finder for it.
func Targets(memory Memory) func(target string) (hooks.MainProcess, error) {
	return func(target string) (hooks.MainProcess, error) {
		t, err := Parse(target)
		if err != nil {
			return nil, err
		}
		return NewFinder(t, memory), nil
	}
}

// Target returns what the Finder searches for.
func (f *Finder) Target() Target { return f.target }

// Seen reports whether the process was ever found in this instance.
func (f *Finder) Seen() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen != nil
}

// Current returns the main process as it is now. While the process of the last call
// is alive, that is the one, at the cost of one system call. The process belongs to
// the Finder: do not close it. Its methods work after its exit.
//
// The error is a *GoneError where the process was seen and has exited, and a
// *NoneError where it was never seen, so that it may exist. Other errors are
// *AmbiguousError, *PermissionError, *PidfileError and *RefusedError.
func (f *Finder) Current() (*Process, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.last != nil {
		if f.last.Alive() {
			return f.last, nil
		}
		f.last.Close() // its identity is still needed
	}
	p, file, err := f.look()
	if err != nil {
		return nil, err
	}
	f.last, f.file = p, file
	f.saw(p.Identity())
	return p, nil
}

// Signal sends a signal to the current process. It has the errors of Current, and
// those of Process.Signal.
func (f *Finder) Signal(sig syscall.Signal) error {
	p, err := f.Current()
	if err != nil {
		return err
	}
	gone, err := p.Signal(sig)
	if gone {
		return &GoneError{Target: f.target, PID: p.pid}
	}
	return err
}

// Identity identifies the current process. It is nil where there is none.
func (f *Finder) Identity() *state.MainIdentity {
	p, err := f.Current()
	if err != nil {
		return nil
	}
	id := p.Identity()
	return &id
}

// WaitExit returns nil when the process that began identifies has exited, even if the
// target leads to another one by now. Where began is nil it waits for the current
// process. The error is a *GoneError where the process had exited before, an error of
// Current, or that of ctx.
func (f *Finder) WaitExit(ctx context.Context, began *state.MainIdentity) error {
	if began == nil {
		p, err := f.Current()
		if err != nil {
			return err
		}
		return p.WaitExit(ctx)
	}
	f.mu.Lock()
	p := f.last
	f.mu.Unlock()
	if p == nil || p.Identity() != *began {
		var err error
		if p, err = openAgain(*began); errors.Is(err, errGone) {
			return &GoneError{Target: f.target, PID: began.PID}
		} else if err != nil {
			return err
		}
		defer p.Close()
	}
	if !p.Alive() {
		return &GoneError{Target: f.target, PID: began.PID}
	}
	return p.WaitExit(ctx)
}

// look searches again. It refuses another process that has the number of the one that
// has exited.
func (f *Finder) look() (*Process, pidfile, error) {
	switch {
	case f.last == nil:
	case f.target.kind == kindPID:
		return nil, pidfile{}, f.gone()
	case f.target.kind == kindPidfile:
		if file, err := readPidfile(f.target.value); err == nil && file.same(f.file) {
			return nil, file, f.gone()
		}
	}
	if f.target.kind == kindPID && f.seen != nil {
		p, err := f.again()
		return p, pidfile{}, err
	}
	p, file, err := f.target.find(f.seen)
	var none *NoneError
	if !errors.As(err, &none) {
		return p, file, err
	}
	if f.seen == nil {
		f.recall() // another process may have seen it, and ended it, since this one began
	}
	if f.seen != nil {
		// Servers remove their pidfile when they stop, some before their end.
		p, err = f.again()
	}
	return p, file, err
}

// again opens the process that was seen, if it is alive.
func (f *Finder) again() (*Process, error) {
	p, err := openAgain(*f.seen)
	if errors.Is(err, errGone) {
		return nil, f.gone()
	}
	return p, err
}

func (f *Finder) gone() error {
	s, err := procfs.Proc.Stat(f.seen.PID)
	return &GoneError{Target: f.target, PID: f.seen.PID, Recycled: err == nil && s.Start != f.seen.StartTime}
}

// saw remembers a process. If it cannot be saved, a later process of this instance
// reports that it was never seen.
func (f *Finder) saw(found state.MainIdentity) {
	if f.seen != nil && *f.seen == found {
		return
	}
	f.seen = &found
	if f.memory != nil {
		_ = f.memory.SaveSeen(f.target.String(), found)
	}
}
