package agent

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/wait"
)

// readyTime bounds the look at all conditions of ready. kubelet waits for a probe for
// 1 s by default (timeoutSeconds), and an exec probe must also start its process.
const readyTime = 800 * time.Millisecond

var errReadyTime = errors.New("no answer within " + readyTime.String())

// readyLooks shares one look at the conditions among all probes that come meanwhile. So
// probes do not add to the load of an application that is slow, and a file on a file
// system that hangs holds one thread. Its zero value is ready.
type readyLooks struct {
	mu      sync.Mutex
	current *readyLook // nil while nobody looks
}

// readyLook is one look. why is set before done is closed; it is "" if all conditions
// hold.
type readyLook struct {
	done chan struct{}
	why  string

	mu sync.Mutex
	at string // the condition that is looked at now
}

// missing returns the first condition that does not hold, and why, or "". It takes at
// most readyTime.
func (l *readyLooks) missing(ctx context.Context, list []config.Ready) string {
	if len(list) == 0 {
		return ""
	}
	look := l.join(list)
	timer := time.NewTimer(readyTime)
	defer timer.Stop()
	select {
	case <-look.done:
		return look.why
	case <-timer.C:
	case <-ctx.Done():
	}
	look.mu.Lock()
	defer look.mu.Unlock()
	return look.at + ": " + errReadyTime.Error()
}

// join returns the look that goes on, or begins one.
func (l *readyLooks) join(list []config.Ready) *readyLook {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current != nil {
		return l.current
	}
	look := &readyLook{done: make(chan struct{})}
	l.current = look
	go func() {
		// The end of a probe does not end the look: others may have joined it.
		ctx, cancel := context.WithTimeoutCause(context.Background(), readyTime, errReadyTime)
		defer cancel()
		look.why = look.missing(ctx, list)
		l.mu.Lock()
		l.current = nil
		l.mu.Unlock()
		close(look.done)
	}()
	return look
}

// missing looks at one condition after the other, so that it holds one thread.
func (look *readyLook) missing(ctx context.Context, list []config.Ready) string {
	for _, r := range list {
		name := r.For.String()
		look.mu.Lock()
		look.at = name
		look.mu.Unlock()
		seen := wait.For(r.For)(ctx)
		switch {
		case seen.Done:
		case ctx.Err() != nil:
			return name + ": " + errReadyTime.Error()
		default:
			return name + ": " + config.HideURLs(seen.Text)
		}
	}
	return ""
}
