package hooks

import (
	"context"
	"errors"
	"time"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// stopReasonTimeout bounds the question for the stop reason, and so what all waiting for
// the answer can delay a run.
const stopReasonTimeout = time.Second

var errNoReason = errors.New("no answer within 1s")

// knownReason returns the stop reason of a run where nobody needs to be asked for it. poststop
// has that of shutdown. It is "" for a shutdown that asks, and for a hook that has none.
func (r *Runner) knownReason(hook *config.Hook, req Request) state.StopReason {
	switch {
	case !unrecorded(hook):
		return ""
	case req.StopReason != "":
		return req.StopReason
	case hook.Name == config.Poststop && r.Options.Store != nil:
		if rec, _, _ := r.Options.Store.Hook(config.Shutdown).Read(); rec.StopReason != "" {
			return rec.StopReason
		}
	case hook.Name == config.Shutdown && r.Options.StopReason != nil:
		return ""
	}
	return state.StopUnknown
}

// askReason asks for the stop reason of a shutdown that does not know it. The run goes on
// meanwhile.
func (x *run) askReason() {
	if x.rec.StopReason != "" || x.hook.Name != config.Shutdown {
		return
	}
	x.asked = make(chan struct{})
	go func() {
		defer close(x.asked)
		ctx, cancel := context.WithTimeoutCause(context.Background(), stopReasonTimeout, errNoReason)
		defer cancel()
		reason := x.runner.Options.StopReason(ctx)
		x.mu.Lock()
		defer x.mu.Unlock()
		x.rec.StopReason = reason
		x.show()
	}()
}

// awaitReason waits for the answer to askReason, and returns it.
func (x *run) awaitReason() state.StopReason {
	if x.asked != nil {
		x.mu.Lock()
		if x.due {
			x.write()
		}
		x.mu.Unlock()
		<-x.asked
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.rec.StopReason
}

// needsReason reports whether the stop reason decides if a step runs.
func (w *work) needsReason() bool { return w.step.When.PodEnds || len(w.step.When.Reasons) > 0 }
