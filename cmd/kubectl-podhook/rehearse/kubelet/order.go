package kubelet

import (
	"context"
	"sync"
	"time"
)

// stopOrder makes each native sidecar wait for its turn to be stopped: all ordinary
// containers end first, then the sidecars in the reverse order of their start, within
// one grace period (deploy/kubernetes/kubelet.md, "Native sidecars").
type stopOrder struct {
	mu      sync.Mutex
	stopped map[string]chan struct{}
	before  map[string][]chan struct{}
}

// newStopOrder takes the names of the running containers, sidecars in the order of their
// start.
func newStopOrder(mains, sidecars []string) *stopOrder {
	o := &stopOrder{stopped: map[string]chan struct{}{}, before: map[string][]chan struct{}{}}
	var earlier []chan struct{}
	for _, name := range mains {
		o.stopped[name] = make(chan struct{})
		earlier = append(earlier, o.stopped[name])
	}
	for i := len(sidecars) - 1; i >= 0; i-- {
		name := sidecars[i]
		o.stopped[name] = make(chan struct{})
		o.before[name] = append([]chan struct{}(nil), earlier...)
		earlier = append(earlier, o.stopped[name])
	}
	return o
}

// wait waits for the turn of the container, at most for grace seconds, and returns the
// whole seconds that this took.
func (o *stopOrder) wait(ctx context.Context, name string, grace int64) int64 {
	start := time.Now()
	limit := time.NewTimer(time.Duration(grace) * time.Second)
	defer limit.Stop()
	for _, stopped := range o.before[name] {
		select {
		case <-stopped:
		case <-limit.C:
			return wholeSeconds(start)
		case <-ctx.Done():
			return wholeSeconds(start)
		}
	}
	return wholeSeconds(start)
}

// done records that a container has been stopped.
func (o *stopOrder) done(name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case <-o.stopped[name]:
	default:
		close(o.stopped[name])
	}
}

// wholeSeconds returns the time since start, cut to whole seconds as in the grace
// arithmetic of kubelet.
func wholeSeconds(start time.Time) int64 { return int64(time.Since(start) / time.Second) }
