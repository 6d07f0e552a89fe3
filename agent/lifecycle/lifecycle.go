// Package lifecycle is the life of a container under podhook run: prestart gates
// the main process, a stop signal runs shutdown before it reaches the main
// process, and poststop follows its end.
package lifecycle

import (
	"context"
	"log/slog"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/agent/supervisor"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/process"
	"github.com/podhook/podhook/hooks/state"
)

// Mode says what prestart means for the start of the main process.
type Mode string

const (
	// Gate starts the main process when prestart has succeeded.
	Gate Mode = "gate"
	// Background runs prestart beside the main process.
	Background Mode = "background"
	// Off leaves prestart to postStart.
	Off Mode = "off"
)

// Options are what a Life goes by. Store is nil where no state can be had.
type Options struct {
	Command  supervisor.Command
	Prestart Mode
	Runner   *hooks.Runner
	Main     *Main
	Store    *state.Store
	Grace    hooks.Grace
	// StopSignals ask the container to stop. Each maps to what the main process is
	// given for it.
	StopSignals map[syscall.Signal]syscall.Signal
	// Killed is told that the main process was killed at the grace period's end.
	Killed func(grace time.Duration)
	Logger *slog.Logger
}

// supervised is the part of a Supervisor that a Life needs.
type supervised interface {
	Start(supervisor.Command) (pid int, exited <-chan process.Exit, err error)
	// Deliver has an error where the main process did not get the signal.
	Deliver(syscall.Signal) error
}

// Life is one run of podhook run. Hold may be called from any goroutine.
type Life struct {
	Options
	// rest ends when nothing that follows the main process is waited for any more.
	rest    context.Context
	endRest context.CancelFunc

	mu    sync.Mutex
	phase phase
	stop  syscall.Signal // the first stop signal
	stops int            // how many have come
	super supervised
	grace time.Time   // the start of the grace period
	timer *time.Timer // of what is done before its end
	// calledOff are the hooks that are not wanted any more, and why.
	calledOff map[string]error
	// stopped is closed when what the first stop signal asked for is done.
	stopped chan struct{}
}

type phase int

const (
	starting phase = iota // prestart gates
	running
	stopping // shutdown goes on, the main process has not been told
	ending   // the main process has got its stop signal
	over     // the main process has ended
)

// New returns a Life whose hooks end with ctx.
func New(ctx context.Context, o Options) *Life {
	l := &Life{Options: o, calledOff: map[string]error{}, stopped: make(chan struct{})}
	l.rest, l.endRest = context.WithCancel(ctx)
	return l
}

// Run lives: prestart, the main process, poststop. It returns the exit code of
// podhook. The error is a *supervisor.ExecError where the main process could not
// be executed.
func (l *Life) Run(s supervised) (code int, err error) {
	defer l.endRest()
	l.mu.Lock()
	l.super = s
	l.mu.Unlock()
	l.saveMain(state.MainIdentity{})
	if l.Prestart == Gate {
		if code, ok := l.gate(); !ok {
			l.answerCallers(config.Prestart)
			return code, nil
		}
	}
	exited, err := l.start()
	if err != nil {
		return 0, err
	}
	if exited == nil {
		return l.stoppedEarly(), nil
	}
	if l.Prestart == Background {
		go l.background()
	}
	exit := <-exited
	l.ended(exit.Status)
	return supervisor.ExitCode(exit.Status), nil
}

// gate runs prestart and says whether the main process may start.
func (l *Life) gate() (code int, ok bool) {
	began := time.Now()
	result, err := l.call(config.Prestart, hooks.Request{Trigger: state.TriggerStart})
	if l.stopSignal() != 0 {
		return l.stoppedEarly(), false
	}
	if err != nil && l.empty(config.Prestart) {
		return 0, true // what has nothing to do gates nothing, whatever the state is like
	}
	if err != nil {
		// A prestart that could not be run is one that has failed: it is shown so.
		now := time.Now()
		l.Runner.Observer.Ended(state.Record{Hook: config.Prestart, Trigger: state.TriggerStart,
			Outcome: state.Failed, Reason: err.Error(), Start: began, End: &now})
	} else if result.Record.Outcome == state.Succeeded {
		return 0, true
	}
	l.Logger.Error("main process not started, prestart has not succeeded")
	return hooks.Judge(result, err).ExitCode, false
}

// empty tells whether a hook has no steps.
func (l *Life) empty(name string) bool {
	cfg, err := l.Runner.Config()
	return err == nil && len(cfg.Hooks[name].Steps) == 0
}

// stoppedEarly is the exit code of a container that was stopped before its main
// process was started.
func (l *Life) stoppedEarly() int {
	stop := l.stopSignal()
	l.Logger.Info("stopped before the main process was started", "signal", unix.SignalName(stop))
	return 128 + int(stop)
}

func (l *Life) stopSignal() syscall.Signal {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stop
}

func (l *Life) background() {
	if _, err := l.call(config.Prestart, hooks.Request{Trigger: state.TriggerStart}); err != nil {
		l.Logger.Error("prestart not run", "error", err.Error())
	}
}

// call runs a hook, and no longer than until it is called off.
func (l *Life) call(name string, request hooks.Request) (hooks.Result, error) {
	flight, _, err := l.Runner.Start(name, request)
	if err != nil {
		return hooks.Result{}, err
	}
	// It may have been called off before there was anything to interrupt.
	l.mu.Lock()
	if cause := l.calledOff[name]; cause != nil {
		l.interrupt(name, cause)
	}
	l.mu.Unlock()
	return flight.Wait(l.rest)
}

// callOff ends the run of a hook, or the waiting for it, now or when it begins.
// The caller holds the lock.
func (l *Life) callOff(name string, cause error) {
	l.calledOff[name] = cause
	l.interrupt(name, cause)
}

func (l *Life) interrupt(name string, cause error) {
	l.Runner.Interrupt(cause, func(hook string) bool { return hook == name })
}

// start starts the main process. Signals wait meanwhile, so that a stop signal
// comes either before it or after it. The channel is nil where it came before, and
// while prestart gated: then there is nothing to start any more.
func (l *Life) start() (<-chan process.Exit, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stop != 0 && l.Prestart == Gate {
		return nil, nil
	}
	pid, exited, err := l.super.Start(l.Command)
	if err != nil {
		return nil, err
	}
	l.saveMain(l.Main.started(pid))
	l.phase = running
	if l.stop != 0 {
		l.beginStop()
	}
	return exited, nil
}

// saveMain tells exec'd hooks of this instance who the main process is; the zero
// identity, that it has not been started yet.
func (l *Life) saveMain(identity state.MainIdentity) {
	if l.Store == nil {
		return
	}
	if err := l.Store.SaveMain(identity); err != nil {
		l.Logger.Warn("exec'd hooks will not find the main process", "error", err.Error())
	}
}
