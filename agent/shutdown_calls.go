package agent

import (
	"sync"
	"time"
)

// shutdownCalls remembers when a call of shutdown over HTTP was last answered. Its
// zero value is ready.
type shutdownCalls struct {
	mu   sync.Mutex
	last time.Time
	next chan struct{} // closed at the next answer; nil while nobody waits
}

// since returns a channel that is closed once a call has been answered after t.
func (s *shutdownCalls) since(t time.Time) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last.After(t) {
		answered := make(chan struct{})
		close(answered)
		return answered
	}
	if s.next == nil {
		s.next = make(chan struct{})
	}
	return s.next
}

func (s *shutdownCalls) answer() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = time.Now()
	if s.next != nil {
		close(s.next)
		s.next = nil
	}
}
