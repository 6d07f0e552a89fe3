package hooks

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/process"
	"github.com/podhook/podhook/hooks/procfs"
	"github.com/podhook/podhook/hooks/state"
)

// Options is what a Runner works with. All fields but Store, Main, Target
// and Observer are needed.
type Options struct {
	// Config returns the configuration in force; a run keeps the one it began with.
	Config func() (*config.Config, error)
	// Store is nil where no directory could be had; StoreErr says why. Only
	// shutdown and poststop run without one.
	Store    *state.Store
	StoreErr error
	Reaper   *process.Reaper
	// Main is nil where no main process is configured.
	Main MainProcess
	// OneMain: podhook run has started, or will start, the main process of this
	// instance, and no other one can come.
	OneMain bool
	// Target finds a process by what a signal step is sent to: pidfile:PATH,
	// exe:PATH or name:NAME.
	Target func(target string) (MainProcess, error)
	// OwnContainer: podhook is a container of its own, so that its own stop
	// signal, and no other sign, says that the whole pod ends (config.When).
	OwnContainer bool
	// Environ is the container's environment without podhook's secrets.
	Environ []string
	Grace   Grace
	// Observer is told what happens; nil for nobody.
	Observer Observer
	// Disabled answers every call with a success that ran nothing.
	Disabled bool
}

// Runner runs hooks. Its methods may be called by any number of goroutines.
type Runner struct {
	// Options are those given to New.
	Options Options
	life    context.Context
	slack   time.Duration // lockSlack, but for tests

	mu      sync.Mutex
	flights map[string]*Flight
	lost    map[string]state.Record // see remember
	grace   time.Time               // the start of the grace period, zero before it
}

// New returns a Runner whose runs live until life ends, whoever called them. The
// end of life interrupts what is going on.
func New(life context.Context, o Options) *Runner {
	if o.Observer == nil {
		o.Observer = nobody{}
	}
	return &Runner{Options: o, life: life, slack: lockSlack, flights: map[string]*Flight{}, lost: map[string]state.Record{}}
}

// Request says how a hook is called.
type Request struct {
	// Trigger is what called: one of the Trigger constants of hooks/state.
	Trigger state.Trigger
	// Force runs the hook although it has succeeded in this instance.
	Force bool
	// onlyOwed: see run.
	onlyOwed bool
	// Joiner, where it is not nil, ends when nobody is there any more to be told: a
	// call that waits for the run of another process then gives up. A run that it
	// has begun itself goes on.
	Joiner context.Context
	// Environ are more entries for the steps' environment. They are podhook's
	// own and never a caller's.
	Environ []string
}

// Result is what a call came to.
type Result struct {
	Record state.Record
	// Joined: the run had been started by somebody else and was waited for.
	Joined bool
	// Already: the hook had succeeded in this instance before the call.
	Already bool
	// Bypassed: podhook is disabled and nothing was run.
	Bypassed bool
}

// UnknownHookError is a call of a hook that is not configured.
type UnknownHookError struct {
	Name  string
	Known []string
}

func (e *UnknownHookError) Error() string {
	const most = 20
	known := strings.Join(e.Known[:min(most, len(e.Known))], ", ")
	if more := len(e.Known) - most; more > 0 {
		known += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("there is no hook %q; there are %s", e.Name, known)
}

// Call runs a hook, joins the run that is going on or returns the outcome of
// the one that succeeded, and waits for it as Flight.Wait does.
func (r *Runner) Call(ctx context.Context, name string, req Request) (Result, error) {
	f, joined, err := r.Start(name, req)
	if err != nil {
		return Result{}, err
	}
	result, err := f.Wait(ctx)
	result.Joined = result.Joined || joined && !result.Already && !result.Bypassed
	return result, err
}

// Start is Call without the waiting. Callers of one process share one Flight,
// so a thousand of them cost one lock; joined says that it was going on before.
// One that is about an earlier start of the container is not joined: what it does
// is of no use any more, and it is interrupted, unless it is a shutdown.
func (r *Runner) Start(name string, req Request) (f *Flight, joined bool, err error) {
	if r.Options.Disabled {
		return bypass(name, req), false, nil
	}
	cfg, err := r.Options.Config()
	if err != nil {
		return nil, false, err
	}
	hook, err := find(cfg, name)
	if err != nil {
		return nil, false, err
	}
	r.noteCall(name, req)
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.flights[name]
	stale := before != nil && !r.Current(before.begun)
	if before != nil && !stale && !(req.Force && before.landed) {
		if req.Force {
			before.forced = time.Now()
		}
		return before, true, nil
	}
	if stale && name != config.Shutdown {
		before.cancel(errRestarted)
	}
	ctx, cancel := context.WithCancelCause(r.life)
	f = &Flight{cancel: cancel, done: make(chan struct{}), begun: r.begin(name, req.Trigger)}
	if req.Force {
		f.forced = time.Now()
	}
	r.flights[name] = f
	go r.fly(ctx, f, before, hook, cfg.Source, req)
	return f, false, nil
}

// noteCall lets podhook run know when shutdown was asked for: a preStop that joins a
// run, or finds that it has succeeded, leaves no other trace.
func (r *Runner) noteCall(name string, req Request) {
	asked := req.Trigger == state.TriggerExec || req.Trigger == state.TriggerHTTP
	if name == config.Shutdown && asked && r.Options.Store != nil {
		_ = r.Options.Store.Hook(name).Called() // where nothing can be written the call does its work all the same
	}
}

var errRestarted = errors.New("the main process's container has been restarted")

// begin is the begin of a record: of which hook, when, by what and for what.
func (r *Runner) begin(hook string, trigger state.Trigger) state.Record {
	rec := state.Record{Hook: hook, Trigger: trigger, Start: time.Now(), StartTicks: procfs.Now()}
	if r.Options.Store != nil {
		rec.Instance, rec.Boot = r.Options.Store.Instance().ID, r.Options.Store.Instance().Boot
	}
	if r.Options.Main != nil {
		rec.Main = r.Options.Main.Identity()
		rec.For = r.otherContainer(rec.Main)
	}
	return rec
}

func find(cfg *config.Config, name string) (*config.Hook, error) {
	if hook, ok := cfg.Hooks[name]; ok {
		return hook, nil
	}
	return nil, &UnknownHookError{Name: name, Known: slices.Sorted(maps.Keys(cfg.Hooks))}
}

const bypassReason = "bypassed: PODHOOK_DISABLED is true"

func bypass(name string, req Request) *Flight {
	f := &Flight{done: make(chan struct{})}
	now := time.Now()
	f.result = Result{Bypassed: true, Record: state.Record{
		Hook: name, Trigger: req.Trigger, Outcome: state.Succeeded, Start: now, End: &now,
		Reason: bypassReason,
	}}
	close(f.done)
	return f
}

// Interrupt ends the runs of this process that are going on, or their waiting for
// another process, of the hooks that which reports true for.
func (r *Runner) Interrupt(cause error, which func(hook string) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, f := range r.flights {
		if which(name) {
			f.cancel(cause)
		}
	}
}

// Flying says how and when the call of a hook that is going on in this process began.
// It is known also where the run cannot be recorded.
func (r *Runner) Flying(hook string) (trigger state.Trigger, began time.Time, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f, ok := r.flights[hook]
	if !ok {
		return "", time.Time{}, false
	}
	return f.begun.Trigger, f.begun.Start, true
}

// Wait returns when the runs of this process that are going on now have ended, or
// with the error of ctx. What begins meanwhile is not waited for: callers could go
// on for ever.
func (r *Runner) Wait(ctx context.Context) error {
	r.mu.Lock()
	flights := slices.Collect(maps.Values(r.flights))
	r.mu.Unlock()
	for _, f := range flights {
		if _, err := f.Wait(ctx); ctx.Err() != nil {
			return err
		}
	}
	return nil
}
