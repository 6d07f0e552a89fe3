// Package lifecycle is the life of a container under podhook run: prestart gates
// the main process, a stop signal runs shutdown before it reaches the main
// process, and poststop follows its end.
package lifecycle

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
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
	// StopSignals ask the container to stop.
	StopSignals []syscall.Signal
	// StopSignal is given to the main process for them; 0 is the one received.
	StopSignal syscall.Signal
	Logger     *slog.Logger
}

// supervised is the part of a Supervisor that a Life needs.
type supervised interface {
	Start(supervisor.Command) (pid int, exited <-chan process.Exit, err error)
	Deliver(syscall.Signal)
}

// Life is one run of podhook run. Hold may be called from any goroutine.
type Life struct {
	Options
	ctx context.Context

	mu     sync.Mutex
	phase  phase
	stop   syscall.Signal // the first stop signal
	stops  int
	super  supervised
	killer *time.Timer
	// stopped is closed when what the first stop signal asked for is done.
	stopped chan struct{}
}

type phase int

const (
	starting phase = iota // prestart gates
	running
	stopping // shutdown goes on, the main process has not been told
	told     // the main process has got its stop signal
	over     // the main process has ended
)

// New returns a Life whose hooks end with ctx.
func New(ctx context.Context, o Options) *Life {
	return &Life{Options: o, ctx: ctx, stopped: make(chan struct{})}
}

// Run lives: prestart, the main process, poststop. It returns the exit code of
// podhook. The error is a *supervisor.ExecError where the main process could not
// be executed.
func (l *Life) Run(s supervised) (code int, err error) {
	l.mu.Lock()
	l.super = s
	l.mu.Unlock()
	if l.Prestart == Gate {
		if code, ok := l.gate(); !ok {
			return code, nil
		}
	}
	exited, err := l.start()
	if err != nil {
		return 0, err
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
	result, err := l.Runner.Call(l.ctx, config.Prestart, hooks.Request{Trigger: state.TriggerStart})
	l.mu.Lock()
	stop := l.stop
	l.mu.Unlock()
	if stop != 0 {
		l.Logger.Info("stopped before the main process was started", "signal", unix.SignalName(stop))
		return 128 + int(stop), false
	}
	if err != nil {
		l.Logger.Error("main process not started", "error", err.Error())
		return hooks.Judge(result, err).ExitCode, false
	}
	if result.Record.Outcome != state.Succeeded {
		l.Logger.Error("main process not started", "hook", config.Prestart, "reason", result.Record.Reason)
		return hooks.Judge(result, nil).ExitCode, false
	}
	return 0, true
}

func (l *Life) background() {
	if _, err := l.Runner.Call(l.ctx, config.Prestart, hooks.Request{Trigger: state.TriggerStart}); err != nil {
		l.Logger.Error("prestart not run", "error", err.Error())
	}
}

// start starts the main process. A stop signal that came since prestart has ended
// is acted on as if it had come after.
func (l *Life) start() (<-chan process.Exit, error) {
	pid, exited, err := l.super.Start(l.Command)
	if err != nil {
		return nil, err
	}
	identity := l.Main.started(pid)
	if l.Store != nil {
		if err := l.Store.SaveMain(identity); err != nil {
			l.Logger.Warn("exec'd hooks will not find the main process", "error", err.Error())
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.phase = running
	if l.stop != 0 {
		l.beginStop()
	}
	return exited, nil
}

// ended does what follows the end of the main process, in what is left of the
// grace period where there is one.
func (l *Life) ended(status syscall.WaitStatus) {
	l.Main.exited()
	l.mu.Lock()
	was := l.phase
	l.phase = over
	if l.killer != nil {
		l.killer.Stop()
	}
	l.mu.Unlock()
	l.Runner.Interrupt(fmt.Errorf("the main process has ended"), config.Shutdown)
	if was == stopping || was == told {
		<-l.stopped
	}
	l.finishShutdown()
	l.poststop(status)
}

// finishShutdown waits for a shutdown that somebody has called and that goes on:
// its caller gets its answer, and preStop no FailedPreStopHook. Its own timeout
// bounds it.
func (l *Life) finishShutdown() {
	_ = l.Runner.Wait(l.ctx) // the runs of this process, kubelet's httpGet among them
	if l.Store == nil {
		return
	}
	hook := l.Store.Hook(config.Shutdown)
	if rec, found, err := hook.Read(); err != nil || !found || rec.Outcome != state.Running {
		return
	}
	if lock, err := hook.Lock(l.ctx); err == nil {
		_ = lock.Unlock() // it was taken only to wait for who held it
	}
}

func (l *Life) poststop(status syscall.WaitStatus) {
	cfg, err := l.Runner.Config()
	if err != nil || len(cfg.Hooks[config.Poststop].Steps) == 0 {
		return
	}
	environ := []string{"PODHOOK_MAIN_EXIT_CODE=" + strconv.Itoa(supervisor.ExitCode(status))}
	if status.Signaled() {
		environ = append(environ, "PODHOOK_MAIN_EXIT_SIGNAL="+unix.SignalName(status.Signal()))
	}
	request := hooks.Request{Trigger: state.TriggerStart, Environ: environ}
	if _, err := l.Runner.Call(l.ctx, config.Poststop, request); err != nil {
		l.Logger.Error("poststop not run", "error", err.Error())
	}
}
