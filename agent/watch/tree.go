package watch

import (
	"context"
	"crypto/sha256"
	"time"
)

// mostWaits bounds how many times a Tree waits for files that go on changing.
const mostWaits = 10

// Tree is a set of files and directories. Only one goroutine may call Next.
type Tree struct {
	notifier *Notifier
	paths    []string
	except   string
	debounce time.Duration
	tooMany  func()

	wake        chan struct{}
	known       content
	descriptors map[int]bool // in use; guarded by the Notifier's lock
}

// content is the hash of all that is watched.
type content [sha256.Size]byte

// NewTree looks at the paths for the first time. What changes from then on, Next tells,
// once it has stayed the same for debounce. The directory except is left out. tooMany is
// called, once, if there are more than 4096 files.
func (n *Notifier) NewTree(paths []string, except string, debounce time.Duration, tooMany func()) *Tree {
	t := &Tree{notifier: n, paths: paths, except: except, debounce: debounce, tooMany: tooMany, wake: make(chan struct{}, 1)}
	n.mu.Lock()
	n.trees[t] = true
	n.mu.Unlock()
	t.known = t.look()
	return t
}

// Next waits until the content is another one than at the last return, or at the start.
// It returns false when ctx ends.
func (t *Tree) Next(ctx context.Context) bool {
	for {
		select {
		case <-t.wake:
		case <-ctx.Done():
			return false
		}
		now := t.look()
		for range mostWaits {
			// Also if nothing has changed yet: others may write to the same directory often.
			if !sleep(ctx, t.debounce) {
				return false
			}
			before := now
			if now = t.look(); now == before {
				break
			}
		}
		if now != t.known {
			t.known = now
			return true
		}
	}
}

// Close ends the Tree.
func (t *Tree) Close() {
	t.notifier.use(t, nil)
	t.notifier.mu.Lock()
	defer t.notifier.mu.Unlock()
	delete(t.notifier.trees, t)
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
