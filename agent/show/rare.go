package show

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// rareInterval is the shortest time between two entries of a Rare.
const rareInterval = 10 * time.Second

// Rare logs what a caller can cause as often as it likes: one entry at once, and then one
// in 10 s, with the number of those that it left out. It is safe for concurrent use.
type Rare struct {
	mu      sync.Mutex
	next    time.Time
	leftOut int
}

// Log logs an entry, or counts it.
func (r *Rare) Log(logger *slog.Logger, level slog.Level, msg string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if now.Before(r.next) {
		r.leftOut++
		return
	}
	if r.leftOut > 0 {
		args = append(args, "left_out", r.leftOut)
	}
	r.next, r.leftOut = now.Add(rareInterval), 0
	logger.Log(context.Background(), level, msg, args...)
}
