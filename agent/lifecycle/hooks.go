package lifecycle

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// containerHooks is what a Container needs of the container's hooks.
type containerHooks interface {
	// open begins: what was called before is not this run's.
	open()
	hasSteps(hook string) bool
	// call runs a hook, joins its run or finds that it has succeeded, and waits for
	// the outcome until ctx ends.
	call(ctx context.Context, hook string, request hooks.Request) (hooks.Result, error)
	// callOff interrupts the run of a hook, or the waiting for it, now or when it begins.
	callOff(hook string, cause error)
	interruptAllBut(hook string)
	// ended shows a run that could not be made.
	ended(state.Record)
	beginGrace(time.Time)
	shutdown() shutdownState
	// shutdownCalled says whether shutdown has been called since open.
	shutdownCalled() bool
	// awaitShutdown waits for a shutdown that somebody has called and that goes on: its
	// caller gets its answer, and preStop no FailedPreStopHook.
	awaitShutdown(context.Context)
	// awaitCallers gives exec'd hooks that have the outcome of a run the time to end by
	// themselves: with PID 1 they would be killed, which kubelet takes for their failure.
	awaitCallers(ctx context.Context, hook string)
	// saveMain tells exec'd hooks who the main process is; the zero identity, that it
	// has not been started yet.
	saveMain(state.MainIdentity)
}

const (
	// recordSlack is what a run of another process may take beyond its deadline to
	// kill what is left and to write its record.
	recordSlack = 5 * time.Second
	// callerSlack is what an exec'd hook may take from the end of a run to its own,
	// by which kubelet learns the outcome.
	callerSlack = 2 * time.Second
)

// runnerHooks are the hooks of a Runner and of its Store, which may be nil.
type runnerHooks struct {
	runner *hooks.Runner
	store  *state.Store
	logger *slog.Logger

	calledBefore time.Time // when shutdown was called last before open
	ownsMain     bool      // no other podhook run has told exec'd hooks its main process

	mu sync.Mutex
	// calledOff are the hooks that are not wanted any more, and why.
	calledOff map[string]error
}

func newRunnerHooks(o Options) *runnerHooks {
	return &runnerHooks{runner: o.Runner, store: o.Store, logger: o.Logger, calledOff: map[string]error{}}
}

func (h *runnerHooks) open() {
	if h.store == nil {
		return
	}
	h.calledBefore = h.calledLast()
	h.ownMain()
	h.saveMain(state.MainIdentity{})
}

// ownMain finds out whether this is the only podhook run of the container. Two of
// them share hooks and outcomes; exec'd hooks can signal the main process of one.
func (h *runnerHooks) ownMain() {
	_, used, _ := h.store.Main()
	owns, err := h.store.OwnMain()
	if h.ownsMain = owns || err != nil; !h.ownsMain {
		h.logger.Warn("another podhook run of this container shares this one's state: hooks that it has run are not run here, and exec'd hooks signal its main process",
			"state", h.store.Dir(), "instead", "a PODHOOK_STATE_DIR of its own for each")
	} else if used {
		h.logger.Warn("an earlier podhook run of this container has left this one's state: hooks that it has run are not run here",
			"state", h.store.Dir(), "instead", "a PODHOOK_STATE_DIR of its own for each")
	}
}

func (h *runnerHooks) saveMain(identity state.MainIdentity) {
	if h.store == nil || !h.ownsMain {
		return
	}
	if err := h.store.SaveMain(identity); err != nil {
		h.logger.Warn("exec'd hooks will not find the main process", "error", err.Error())
	}
}

func (h *runnerHooks) hasSteps(hook string) bool {
	cfg, err := h.runner.Options.Config()
	return err != nil || len(cfg.Hooks[hook].Steps) > 0
}

func (h *runnerHooks) call(ctx context.Context, hook string, request hooks.Request) (hooks.Result, error) {
	flight, _, err := h.runner.Start(hook, request)
	if err != nil {
		return hooks.Result{}, err
	}
	// It may have been called off before there was anything to interrupt.
	h.mu.Lock()
	if cause := h.calledOff[hook]; cause != nil {
		h.interrupt(hook, cause)
	}
	h.mu.Unlock()
	return flight.Wait(ctx)
}

func (h *runnerHooks) callOff(hook string, cause error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calledOff[hook] = cause
	h.interrupt(hook, cause)
}

func (h *runnerHooks) interrupt(hook string, cause error) {
	h.runner.Interrupt(cause, func(name string) bool { return name == hook })
}

var errMainEnded = errors.New("the main process has ended")

func (h *runnerHooks) interruptAllBut(hook string) {
	h.runner.Interrupt(errMainEnded, func(name string) bool { return name != hook })
}

func (h *runnerHooks) ended(rec state.Record)     { h.runner.Options.Observer.Ended(rec) }
func (h *runnerHooks) beginGrace(began time.Time) { h.runner.BeginGrace(began) }

func (h *runnerHooks) shutdown() shutdownState {
	if h.store == nil {
		return shutdownState{}
	}
	rec, found, err := h.store.Hook(config.Shutdown).Read()
	s := shutdownState{found: found && err == nil, last: rec, called: h.calledLast()}
	if trigger, began, flies := h.runner.Flying(config.Shutdown); flies && !(s.found && rec.Outcome == state.Running) {
		// It cannot be recorded, or only looks whether shutdown has succeeded.
		s.found, s.last = true, state.Record{Trigger: trigger, Start: began, Outcome: state.Running}
	}
	return s
}

func (h *runnerHooks) shutdownCalled() bool {
	return h.store != nil && !h.calledLast().Equal(h.calledBefore)
}

// calledLast is the zero time where shutdown was never called or that is not known.
func (h *runnerHooks) calledLast() time.Time {
	at, _ := h.store.Hook(config.Shutdown).CalledLast()
	return at
}

func (h *runnerHooks) awaitShutdown(ctx context.Context) {
	_ = h.runner.Wait(ctx) // the runs of this process, kubelet's httpGet among them
	if h.store == nil {
		return
	}
	h.awaitCallers(ctx, config.Shutdown) // one that has just called has begun its run then
	hook := h.store.Hook(config.Shutdown)
	rec, found, err := hook.Read()
	if err != nil || !found || rec.Outcome != state.Running {
		return
	}
	// A run of another process: an exec'd one. It is done when its lock is free.
	ctx, cancel := context.WithDeadline(ctx, rec.Deadline.Add(recordSlack))
	defer cancel()
	if lock, err := hook.Lock(ctx); err == nil {
		_ = lock.Unlock() // it was taken only to wait for who held it
	}
}

func (h *runnerHooks) awaitCallers(ctx context.Context, hook string) {
	if h.store == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, callerSlack)
	defer cancel()
	_ = h.store.Hook(hook).WaitForCallers(ctx) // one that does not end is not waited for
}
