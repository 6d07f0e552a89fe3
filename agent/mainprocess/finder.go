package mainprocess

import (
	"errors"
	"io/fs"
	"os"
	"sync"
)

// Finder keeps the main process between calls, and finds it anew when it is
// gone: the agent of a sidecar outlives the container it serves. Its methods may
// be called from any goroutine.
//
// A pid target is pinned by the first success: when that process is gone, the
// Finder answers *GoneError for ever, whoever has its number then. So it does
// for a pidfile as long as nobody writes it again.
type Finder struct {
	target Target

	mu     sync.Mutex
	last   *Process // the newest found, also when it has gone since
	file   pidfile  // that led to last
	closed bool
}

// NewFinder makes a Finder that has not looked yet.
func NewFinder(t Target) *Finder { return &Finder{target: t} }

// Target is what the Finder looks for.
func (f *Finder) Target() Target { return f.target }

// Current is the main process as it is now: the one of the last call while it is
// alive, which costs one system call, else another one that has come. It belongs
// to the Finder: do not close it. When it exits while in use, its methods say so.
// Errors are those of Target.Find, and os.ErrClosed after Close.
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
	return p, nil
}

// look finds the process anew, and takes none that only has the number of the
// one that has gone.
func (f *Finder) look() (*Process, pidfile, error) {
	if f.last == nil {
		return f.target.find()
	}
	gone := &GoneError{Target: f.target, PID: f.last.pid}
	if f.target.kind == kindPID {
		return nil, pidfile{}, gone
	}
	p, file, err := f.target.find()
	switch {
	case f.target.kind != kindPidfile:
	case errors.Is(err, fs.ErrNotExist):
		return nil, file, gone // servers remove their pidfile when they stop
	case err == nil && file.same(f.file):
		p.Close()
		gone.Recycled = true
		return nil, file, gone
	}
	return p, file, err
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
