package hooks

import (
	"context"
	"sync"
)

// group runs the steps of a group at the same time. They count as one step of the
// hook.
func (x *run) group(ctx context.Context, w *work) {
	members, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	members, cancel := withTimeout(members, w.step)
	defer cancel()
	sc := &scope{halt: stop}
	var all sync.WaitGroup
	for i := range w.members {
		member := &w.members[i]
		all.Go(func() { x.work(members, member, sc) })
	}
	all.Wait()
	x.mu.Lock()
	defer x.mu.Unlock()
	if sc.failed != "" {
		x.scope.judge(ctx, w.step.OnFailure, sc.failed, sc.reason)
	}
}
