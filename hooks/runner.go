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

// Options configures a Runner. Config, Reaper and Environ are needed.
type Options struct {
	// Config returns the configuration in force. A run keeps the one that it began with.
	Config func() (*config.Config, error)
	// Store is nil if there is no directory for the state; StoreErr says why. Without a
	// Store only shutdown and poststop run.
	Store    *state.Store
	StoreErr error
	Reaper   *process.Reaper
	// Main is nil if no main process is configured.
	Main MainProcess
	// OneMain says that podhook run starts the main process, so that this instance has
	// only one.
	OneMain bool
	// Target finds the process that a signal step names: pidfile:PATH, exe:PATH or
	// name:NAME.
	Target func(target string) (MainProcess, error)
	// OwnContainer says that podhook runs in a container of its own. Its own stop signal
	// then means that the whole pod ends, see config.When.
	OwnContainer bool
	// StopReason is asked once in each run of shutdown why the container is stopped. It returns
	// when ctx ends, after one second. nil knows no reason.
	StopReason func(ctx context.Context) state.StopReason
	// Environ is the environment that programs start from. It must hold no secrets of
	// podhook.
	Environ []string
	Grace   Grace
	// Observer is told what happens. It may be nil.
	Observer Observer
	// Disabled makes every call succeed without running anything.
	Disabled bool
}

// Runner runs hooks. Its methods may be called by any number of goroutines.
type Runner struct {
	// Options are those given to New.
	Options Options
	life    context.Context
	slack   time.Duration // lockSlack, except in tests
	disk    chan struct{} // limits the steps in useDisk

	mu      sync.Mutex
	flights map[string]*Flight
	lost    map[string]state.Record // see remember
	grace   time.Time               // the begin of the grace period, or zero
}

// New returns a Runner. The end of life interrupts its runs; the end of a caller's
// context does not.
func New(life context.Context, o Options) *Runner {
	if o.Observer == nil {
		o.Observer = nobody{}
	}
	return &Runner{Options: o, life: life, slack: lockSlack, disk: make(chan struct{}, 2), flights: map[string]*Flight{}, lost: map[string]state.Record{}}
}

// Request says how a hook is called.
type Request struct {
	// Trigger is one of the constants of hooks/state.
	Trigger state.Trigger
	// Force runs the hook even if it has succeeded in this instance.
	Force bool
	// onlyOwed: see run.
	onlyOwed bool
	// Joiner may be nil. Its end says that nobody waits for the answer any more: a call
	// that waits for the run of another process gives up, a run that the call has begun
	// goes on.
	Joiner context.Context
	// StopReason is why the container is stopped, if the caller knows; otherwise
	// Options.StopReason is asked.
	StopReason state.StopReason
	// Environ holds further entries for the steps' environment. They come from podhook,
	// never from a caller.
	Environ []string
}

// Result is the outcome of a call.
type Result struct {
	Record state.Record
	// Joined says that another caller had begun the run.
	Joined bool
	// Already says that the hook had succeeded in this instance before the call.
	Already bool
	// Bypassed says that podhook is disabled and has run nothing.
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
	meant := config.MeantHook(e.Name)
	if meant == "" {
		meant = config.Nearest(e.Name, e.Known)
	}
	if meant != "" {
		return fmt.Sprintf("there is no hook %q, did you mean %q? There are %s", e.Name, meant, known)
	}
	return fmt.Sprintf("there is no hook %q; there are %s", e.Name, known)
}

// Call runs a hook and waits for the outcome. It joins a run that goes on, and returns
// the outcome of an earlier run that has succeeded in this instance.
//
// A step that fails is not an error but a Result whose Record has another outcome than
// state.Succeeded. An error means that the call has run nothing, or does not know:
//
//   - *UnknownHookError: the configuration has no such hook.
//   - The error of Options.Config, such as a *config.Errors.
//   - *CycleError: the caller is a step of the hook.
//   - *NotRecordedError: the state cannot be written. shutdown and poststop run anyway.
//   - *StuckError: a run of another process did not end in time.
//   - The cause of ctx: the caller does not wait any longer; the run goes on.
//   - The cause of Interrupt or of the Runner's life, or the end of Request.Joiner,
//     before a run of this process had begun.
//
// Judge maps all of them to an exit code and an HTTP status.
func (r *Runner) Call(ctx context.Context, name string, req Request) (Result, error) {
	f, joined, err := r.Start(name, req)
	if err != nil {
		return Result{}, err
	}
	result, err := f.Wait(ctx)
	result.Joined = result.Joined || joined && !result.Already && !result.Bypassed
	return result, err
}

// Start begins a call without waiting for it. All callers in this process share one
// Flight of a hook; joined is true if it went on before. Start does not join a flight
// for an earlier start of the container: it interrupts that flight, unless it is a
// shutdown, and begins another.
//
// The error is an *UnknownHookError or that of Options.Config. All other errors of Call
// come from Flight.Wait.
func (r *Runner) Start(name string, req Request) (f *Flight, joined bool, err error) {
	if r.Options.Disabled {
		return bypass(name, req), false, nil
	}
	cfg, err := r.Options.Config()
	if err != nil {
		return nil, false, err
	}
	hook, err := Find(cfg, name)
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
	f = &Flight{cancel: cancel, done: make(chan struct{}), known: make(chan struct{}), begun: r.begin(name, req.Trigger)}
	if req.Force {
		f.forced = time.Now()
	}
	r.flights[name] = f
	go r.fly(ctx, f, before, hook, cfg.Source, req)
	return f, false, nil
}

// noteCall tells podhook run that shutdown was called. A preStop that joins a run, or
// finds that shutdown has succeeded, leaves no other trace.
func (r *Runner) noteCall(name string, req Request) {
	asked := req.Trigger == state.TriggerExec || req.Trigger == state.TriggerHTTP
	if name == config.Shutdown && asked && r.Options.Store != nil {
		_ = r.Options.Store.Hook(name).Called() // where nothing can be written the call does its work all the same
	}
}

var errRestarted = errors.New("the main process's container has been restarted")

// begin returns the first fields of a record: the hook, its trigger, the time and the
// main process that the call is about.
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

// Find returns a hook of the configuration. The error is an *UnknownHookError.
func Find(cfg *config.Config, name string) (*config.Hook, error) {
	if hook, ok := cfg.Hooks[name]; ok {
		return hook, nil
	}
	return nil, &UnknownHookError{Name: name, Known: slices.Sorted(maps.Keys(cfg.Hooks))}
}

const bypassReason = "bypassed: PODHOOK_DISABLED is true"

func bypass(name string, req Request) *Flight {
	f := &Flight{done: make(chan struct{}), known: make(chan struct{})}
	now := time.Now()
	f.result = Result{Bypassed: true, Record: state.Record{
		Hook: name, Trigger: req.Trigger, Outcome: state.Succeeded, Start: now, End: &now,
		Reason: bypassReason,
	}}
	close(f.done)
	return f
}

// Interrupt ends the calls of this process for the hooks that which selects: their
// runs, and their waiting for the run of another process. cause is their reason.
func (r *Runner) Interrupt(cause error, which func(hook string) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, f := range r.flights {
		if which(name) {
			f.cancel(cause)
		}
	}
}

// Flying returns what triggered the current call of a hook in this process, and when.
// It does not need the state. ok is false if there is no such call.
func (r *Runner) Flying(hook string) (trigger state.Trigger, began time.Time, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f, ok := r.flights[hook]
	if !ok {
		return "", time.Time{}, false
	}
	return f.begun.Trigger, f.begun.Start, true
}

// Wait waits until the current calls of this process have ended, or returns the cause
// of ctx. It does not wait for calls that begin meanwhile: there could always be one.
func (r *Runner) Wait(ctx context.Context) error {
	r.mu.Lock()
	flights := slices.Collect(maps.Values(r.flights))
	r.mu.Unlock()
	for _, f := range flights {
		_, _ = f.Wait(ctx) // how a call ended is its caller's concern
		if ctx.Err() != nil {
			return context.Cause(ctx) // also where a call ended at the same moment
		}
	}
	return nil
}
