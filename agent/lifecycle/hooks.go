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

// containerHooks are the hooks as a Container needs them.
type containerHooks interface {
	// open begins a run of the container. Earlier calls do not count for it.
	open()
	hasSteps(hook string) bool
	// call runs a hook, joins its run or finds that it has succeeded, and waits for
	// the outcome until ctx ends.
	call(ctx context.Context, hook string, request hooks.Request) (hooks.Result, error)
	// callOff interrupts the run of a hook, or the wait for it, now or when it begins.
	callOff(hook string, cause error)
	interruptAllBut(hook string)
	// ended shows a run that could not begin.
	ended(state.Record)
	beginGrace(time.Time)
	shutdown() shutdownState
	// shutdownCalled reports whether shutdown has been called since open.
	shutdownCalled() bool
	// awaitShutdown waits for a run of shutdown that goes on, so that its caller gets an
	// answer and kubelet reports no FailedPreStopHook.
	awaitShutdown(context.Context)
	// awaitCallers waits for exec'd hooks that have the outcome of a run to end. The end
	// of PID 1 would kill them, and kubelet would take that for their failure.
	awaitCallers(ctx context.Context, hook string)
	// saveMain saves the main process for exec'd hooks. The zero identity means that it
	// has not been started.
	saveMain(state.MainIdentity)
}

const (
	// recordSlack is how long after its deadline a run of another process can take to
	// kill its processes and to write its record.
	recordSlack = 5 * time.Second
	// callerSlack is how long an exec'd hook can take to exit after the end of its run.
	callerSlack = 2 * time.Second
)

// runnerHooks are the hooks of a Runner and of its Store, which may be nil.
type runnerHooks struct {
	runner *hooks.Runner
	store  *state.Store
	logger *slog.Logger

	calledBefore time.Time // the last call of shutdown before open
	ownsMain     bool      // no other podhook run has saved its main process

	mu sync.Mutex
	// calledOff has the reason for each hook that is called off.
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

// ownMain finds out whether this is the only podhook run of the container, and warns
// otherwise. Two of them share hooks and outcomes, and exec'd hooks can signal the main
// process of only one.
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
	// It can have been called off before the run began.
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
		// This run cannot be recorded, or only looks whether shutdown has succeeded.
		s.found, s.last = true, state.Record{Trigger: trigger, Start: began, Outcome: state.Running}
	}
	return s
}

func (h *runnerHooks) shutdownCalled() bool {
	return h.store != nil && !h.calledLast().Equal(h.calledBefore)
}

// calledLast returns the time of the last call of shutdown, or zero if none is known.
func (h *runnerHooks) calledLast() time.Time {
	at, _ := h.store.Hook(config.Shutdown).CalledLast()
	return at
}

func (h *runnerHooks) awaitShutdown(ctx context.Context) {
	_ = h.runner.Wait(ctx) // the runs of this process
	if h.store == nil {
		return
	}
	h.awaitCallers(ctx, config.Shutdown) // a new caller has begun its run after this
	hook := h.store.Hook(config.Shutdown)
	rec, found, err := hook.Read()
	if err != nil || !found || rec.Outcome != state.Running {
		return
	}
	// The run belongs to another process, and is over when its lock is free.
	ctx, cancel := context.WithDeadline(ctx, rec.Deadline.Add(recordSlack))
	defer cancel()
	if lock, err := hook.Lock(ctx); err == nil {
		_ = lock.Unlock()
	}
}

func (h *runnerHooks) awaitCallers(ctx context.Context, hook string) {
	if h.store == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, callerSlack)
	defer cancel()
	_ = h.store.Hook(hook).WaitForCallers(ctx) // an error means that one has not ended in time
}
