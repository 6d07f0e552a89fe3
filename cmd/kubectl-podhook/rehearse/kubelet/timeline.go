package kubelet

import (
	"fmt"
	"sync"
	"time"
)

// Entry is one line of the timeline.
type Entry struct {
	// At and SinceDelete are seconds since the start of the pod and since its DELETE.
	// SinceDelete is nil before the DELETE.
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
	// Count is how often the event has happened.
	Count int `json:"count"`
}

// Timeline collects what happens. It is safe for concurrent use.
type Timeline struct {
	mu      sync.Mutex
	start   time.Time
	deleted time.Time
	entries []Entry
	events  []Event
	// lastEvent is the line of the latest event.
	lastEvent string
	forgotten int // events of an earlier kubelet
	observe   func(Entry)
}

// NewTimeline starts a timeline now. It also passes each entry to observe, one at a time.
// observe may be nil.
func NewTimeline(observe func(Entry)) *Timeline {
	return &Timeline{start: time.Now(), observe: observe}
}

// Add adds an entry with the current time.
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

// event adds an event and its entry. An event that happens again only raises its count,
// and a probe that fails again adds no entry.
func (t *Timeline) event(kind, reason, container, message string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	line := fmt.Sprintf("%s %s: %s", kind, reason, message)
	if repeated := line == t.lastEvent && reason == "Unhealthy"; !repeated {
		t.add("kubelet", "event", line)
	}
	t.lastEvent = line
	for i, e := range t.events {
		if i >= t.forgotten && e.Type == kind && e.Reason == reason && e.Container == container && e.Message == message {
			t.events[i].Count++
			return
		}
	}
	t.events = append(t.events, Event{
		At: time.Since(t.start).Seconds(), Type: kind, Reason: reason,
		Container: container, Message: message, Count: 1,
	})
}

// forgetEvents makes events that happen again new ones: a kubelet that restarts counts
// from 1.
func (t *Timeline) forgetEvents() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forgotten, t.lastEvent = len(t.events), ""
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

// now returns the seconds since the start of the pod.
func (t *Timeline) now() float64 { return time.Since(t.start).Seconds() }
