package mainprocess

import (
	"sync"
	"time"
)

// Course is what an agent has seen of the start and the end of its main process. Its zero
// value is ready; its methods may be called from any goroutine.
type Course struct {
	mu  sync.Mutex
	now Seen
}

// Seen is a Course at one moment. What is not known is nil.
type Seen struct {
	// Delay is how long prestart has held back the start.
	Delay *time.Duration
	// Stop is the time from the begin of the stop to the end.
	Stop *time.Duration
	// Code is the exit code, as a shell gives it.
	Code *int
}

// Started says how long prestart has held back the main process, which has started now.
func (c *Course) Started(delay time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now.Delay = &delay
}

// Exited says with which code the main process has ended.
func (c *Course) Exited(code int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now.Code = &code
}

// Stopped says how long after the begin of its stop the main process has ended. A clock that
// was set back makes that 0.
func (c *Course) Stopped(after time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	after = max(after, 0)
	c.now.Stop = &after
}

// Seen returns what is known now.
func (c *Course) Seen() Seen {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}
