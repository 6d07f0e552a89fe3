package kubelet

import (
	"fmt"
	"sync"
	"time"
)

// Entry is one line of the timeline.
type Entry struct {
	// At and SinceDelete are seconds since the pod's start and since its
	// DELETE; SinceDelete is nil before it.
	At          float64  `json:"at"`
	SinceDelete *float64 `json:"sinceDelete,omitempty"`
	Who         string   `json:"who"`
	What        string   `json:"what"`
	Result      string   `json:"result,omitempty"`
}

// Event is an event on the Pod, as `kubectl describe pod` shows it.
type Event struct {
	At        float64 `json:"at"`
	Type      string  `json:"type"`
	Reason    string  `json:"reason"`
	Container string  `json:"container,omitempty"`
	Message   string  `json:"message"`
	// Count is how often the same event has come.
	Count int `json:"count"`
}

// Timeline collects what happens. It may be used by many goroutines.
type Timeline struct {
	mu      sync.Mutex
	start   time.Time
	deleted time.Time
	entries []Entry
	events  []Event
	// lastEvent is the latest event's line.
	lastEvent string
	observe   func(Entry)
}

// NewTimeline starts a timeline now. Each entry is also given to observe, one
// at a time, as soon as it is there; nil is allowed.
func NewTimeline(observe func(Entry)) *Timeline {
	return &Timeline{start: time.Now(), observe: observe}
}

// Add adds an entry with the present time.
func (t *Timeline) Add(who, what, result string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.add(who, what, result)
}

func (t *Timeline) add(who, what, result string) {
	now := time.Now()
	entry := Entry{At: now.Sub(t.start).Seconds(), Who: who, What: what, Result: result}
	if !t.deleted.IsZero() {
		since := now.Sub(t.deleted).Seconds()
		entry.SinceDelete = &since
	}
	t.entries = append(t.entries, entry)
	if t.observe != nil {
		t.observe(entry)
	}
}

// markDeleted starts the column of seconds since the DELETE.
func (t *Timeline) markDeleted() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.deleted = time.Now()
}

// event adds an event, which is a line of the timeline too. The same event
// again only raises its count; a probe that goes on failing is one line.
func (t *Timeline) event(kind, reason, container, message string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	line := fmt.Sprintf("%s %s: %s", kind, reason, message)
	if repeated := line == t.lastEvent && reason == "Unhealthy"; !repeated {
		t.add("kubelet", "event", line)
	}
	t.lastEvent = line
	for i, e := range t.events {
		if e.Type == kind && e.Reason == reason && e.Container == container && e.Message == message {
			t.events[i].Count++
			return
		}
	}
	t.events = append(t.events, Event{
		At: time.Since(t.start).Seconds(), Type: kind, Reason: reason,
		Container: container, Message: message, Count: 1,
	})
}

// Entries returns a copy of all entries so far.
func (t *Timeline) Entries() []Entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]Entry(nil), t.entries...)
}

// Events returns a copy of all events so far.
func (t *Timeline) Events() []Event {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]Event(nil), t.events...)
}

// now is the time since the pod's start, in seconds.
func (t *Timeline) now() float64 { return time.Since(t.start).Seconds() }
