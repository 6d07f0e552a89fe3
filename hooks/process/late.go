package process

import (
	"context"
	"sync"
)

// lateOutputs are the pipes that background processes hold open after the end of
// their program.
type lateOutputs struct {
	mu      sync.Mutex
	running map[*watch]struct{}
	// ended is closed when the next pipe ends; nil while nobody waits.
	ended chan struct{}
}

// Draining returns the number of ended runs whose background processes hold an output
// open.
func (r *Reaper) Draining() int {
	r.late.mu.Lock()
	defer r.late.mu.Unlock()
	return len(r.late.running)
}

// Drain waits until no background process holds an output of an ended run open. If ctx
// ends first, Drain returns its error.
func (r *Reaper) Drain(ctx context.Context) error {
	for {
		ended := r.late.waitEnd()
		if ended == nil {
			return nil
		}
		select {
		case <-ended:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// start reads the outputs that are still open, in a goroutine, until the last writer
// has closed them.
func (l *lateOutputs) start(w *watch) {
	l.mu.Lock()
	l.running[w] = struct{}{}
	l.mu.Unlock()
	go func() {
		for w.open() && !w.closed {
			// A late wake by the run's context must not cause a busy loop.
			w.never()
			w.wait()
		}
		w.close()
		l.end(w)
	}()
}

func (l *lateOutputs) end(w *watch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.running, w)
	if l.ended != nil {
		close(l.ended)
		l.ended = nil
	}
}

func (l *lateOutputs) waitEnd() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.running) == 0 {
		return nil
	}
	if l.ended == nil {
		l.ended = make(chan struct{})
	}
	return l.ended
}

// stop ends all reading and waits for the goroutines.
func (l *lateOutputs) stop() {
	l.mu.Lock()
	for w := range l.running {
		w.file.Close() // its wait returns
	}
	l.mu.Unlock()
	for ended := l.waitEnd(); ended != nil; ended = l.waitEnd() {
		<-ended
	}
}
