package mainprocess

import (
	"context"
	"errors"
	"os"
	"sync"

	"github.com/podhook/podhook/hooks/procfs"
	"github.com/podhook/podhook/hooks/state"
)

// Memory keeps which process a target has led to, for all processes of an
// instance: what an exec'd hook finds gone, another one may have seen.
type Memory interface {
	Seen(target string) (state.MainIdentity, bool)
	SaveSeen(target string, found state.MainIdentity) error
}

// Finder keeps the main process between calls, and finds it anew when it is
// gone: the agent of a sidecar outlives the container it serves. Its methods may
// be called from any goroutine.
//
// A pid target is pinned by the first success: when that process is gone, the
// Finder answers *GoneError for ever, whoever has its number then. So it does
// for a pidfile as long as nobody writes it again.
type Finder struct {
	target Target
	memory Memory // nil for none

	mu     sync.Mutex
	last   *Process            // the newest found, also when it has gone since
	file   pidfile             // that led to last
	seen   *state.MainIdentity // the newest found, by whomever; nil for none
	closed bool
}

// NewFinder makes a Finder that has not looked yet. memory is nil where nothing
// can be kept.
func NewFinder(t Target, memory Memory) *Finder {
	f := &Finder{target: t, memory: memory}
	if t.started != nil {
		f.seen, f.memory = t.started, nil
	} else if memory != nil {
		if seen, ok := memory.Seen(t.String()); ok {
			f.seen = &seen
		}
	}
	return f
}

// Target is what the Finder looks for.
func (f *Finder) Target() Target { return f.target }

// Seen tells whether the process was found, once in this instance.
func (f *Finder) Seen() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen != nil
}

// Current is the main process as it is now: the one of the last call while it is
// alive, which costs one system call, else another one that has come. It belongs
// to the Finder: do not close it. When it exits while in use, its methods say so.
//
// The error is a *GoneError where it was seen and has exited. One that was never
// seen is a *NoneError: it may live. Further errors are those of Target.Find, and
// os.ErrClosed after Close.
func (f *Finder) Current() (*Process, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed:
		return nil, os.ErrClosed
	case f.last == nil:
	case f.last.Alive():
		return f.last, nil
	default:
		f.last.Close() // its identity is still of use
	}
	p, file, err := f.look()
	if err != nil {
		return nil, err
	}
	f.last, f.file = p, file
	f.saw(p.Identity())
	return p, nil
}

// look finds the process anew, and takes none that only has the number of the
// one that has gone.
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
	if errors.As(err, &none) && f.seen != nil {
		// Servers remove their pidfile when they stop, some before their end.
		p, err = f.again()
	}
	return p, file, err
}

// again is the process that was seen, if it is alive.
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

// saw remembers a process. Where it cannot be written down, a later process of
// this instance does not know, and says so instead of guessing.
func (f *Finder) saw(found state.MainIdentity) {
	if f.seen != nil && *f.seen == found {
		return
	}
	f.seen = &found
	if f.memory != nil {
		_ = f.memory.SaveSeen(f.target.String(), found)
	}
}

// WaitExit waits for the exit of a process that was seen before, whatever the
// target leads to by now. It returns nil when it has exited, a *GoneError where it
// had before, and the context's error when that comes first.
func (f *Finder) WaitExit(ctx context.Context, seen state.MainIdentity) error {
	f.mu.Lock()
	p := f.last
	f.mu.Unlock()
	if p == nil || p.Identity() != seen {
		var err error
		if p, err = openAgain(seen); errors.Is(err, errGone) {
			return &GoneError{Target: f.target, PID: seen.PID}
		} else if err != nil {
			return err
		}
		defer p.Close()
	}
	if !p.Alive() {
		return &GoneError{Target: f.target, PID: seen.PID}
	}
	return p.WaitExit(ctx)
}

// Close lets the current process go. Whoever waits for it gets os.ErrClosed.
func (f *Finder) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	if f.last != nil {
		f.last.Close()
	}
	return nil
}
