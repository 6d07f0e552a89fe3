package lifecycle

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/agent/mainprocess"
	"github.com/podhook/podhook/agent/show"
	"github.com/podhook/podhook/agent/supervisor"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/process"
	"github.com/podhook/podhook/hooks/state"
)

// Mode says what prestart means for the start of the main process.
type Mode string

const (
	// Gate starts the main process after prestart has succeeded.
	Gate Mode = "gate"
	// Background runs prestart alongside the main process.
	Background Mode = "background"
	// Off does not run prestart. A postStart can.
	Off Mode = "off"
)

// Options configure a Container. Store is nil if the state cannot be opened.
type Options struct {
	Command  supervisor.Command
	Prestart Mode
	Runner   *hooks.Runner
	Main     *mainprocess.Child
	// Course gets what becomes of the main process.
	Course *mainprocess.Course
	Store  *state.Store
	Grace  hooks.Grace
	// StopSignals maps each stop signal to the signal that the main process gets for it.
	StopSignals map[syscall.Signal]syscall.Signal
	// AwaitAll is called before poststop. It ends what the main process has left behind,
	// and returns when ctx ends. It may be nil.
	AwaitAll func(ctx context.Context)
	// Killed is called when the main process was killed at the end of the grace period.
	Killed func(grace time.Duration)
	// Watch runs hooks at changes of files until ctx ends: while the main process is there
	// and is not to stop. It closes the channel when it has seen the files. It may be nil.
	Watch func(ctx context.Context) (seen <-chan struct{})
	// Farewell is called last. It returns when ctx ends. It may be nil.
	Farewell func(ctx context.Context)
	Logger   *slog.Logger
}

// supervised is the part of a supervisor.Supervisor that a Container needs.
type supervised interface {
	Start(supervisor.Command) (pid int, exited <-chan syscall.WaitStatus, err error)
	// Deliver returns an error if the main process did not get the signal.
	Deliver(syscall.Signal) error
}

// Container is one run of podhook run. Signal may be called from any goroutine.
type Container struct {
	options Options
	hooks   containerHooks
	// patience ends when a shutdown that goes on is no longer waited for. rest ends
	// later, when nothing is waited for.
	rest, patience       context.Context
	endRest, endPatience context.CancelFunc
	mainBegan            time.Time     // when the main process was started
	gated                time.Duration // how long prestart has held it back
	// serving ends when the container is told to stop, or with the main process.
	serving    context.Context
	endServing context.CancelFunc

	// drained is closed when drain returns.
	drained chan struct{}

	mu          sync.Mutex
	phase       phase
	super       supervised
	stopSignal  syscall.Signal // the first one, 0 before it
	stopSignals int            // how many have come
	graceBegan  time.Time      // zero before the grace period
	stopBegan   time.Time      // the preStop or the stop signal, which is when the grace period should have begun
	// kubeletKills is when kubelet kills the container if its grace period was used up
	// before the stop signal, or zero.
	kubeletKills time.Time
	armed        int // counts the calls of arm; only the timer of the last call counts
}

// phase is a state of the machine in doc.go.
type phase int

const (
	starting    phase = iota // prestart gates the main process
	abandoned                // the main process will not be started
	running                  // the main process runs
	draining                 // shutdown runs, the main process still serves
	terminating              // the main process has got its stop signal
	ended                    // the main process has ended
)

// New returns a Container whose hooks end with ctx.
func New(ctx context.Context, o Options) *Container {
	return newContainer(ctx, o, newRunnerHooks(o))
}

func newContainer(ctx context.Context, o Options, h containerHooks) *Container {
	c := &Container{options: o, hooks: h, drained: make(chan struct{})}
	c.rest, c.endRest = context.WithCancel(ctx)
	c.patience, c.endPatience = context.WithCancel(c.rest)
	c.serving, c.endServing = context.WithCancel(c.rest)
	return c
}

// Run runs prestart, the main process and poststop. It returns the exit code of
// podhook, or a *supervisor.ExecError if the main process could not be executed.
func (c *Container) Run(s supervised) (code int, err error) {
	defer c.endRest()
	if c.options.Farewell != nil {
		defer c.options.Farewell(c.rest)
	}
	c.mu.Lock()
	c.super = s
	c.mu.Unlock()
	c.hooks.open()
	if c.options.Prestart == Gate {
		if code, open := c.gate(); !open {
			c.hooks.awaitCallers(c.rest, config.Prestart)
			return code, nil
		}
	}
	c.watch()
	exited, err := c.start()
	if err != nil {
		return 0, err
	}
	if exited == nil {
		return c.leave(), nil
	}
	if c.options.Prestart == Background {
		go c.background()
	}
	status := <-exited
	c.options.Logger.Info(show.MainEnded, "how", process.HowEnded(status), "code", process.ExitCode(status),
		"seconds", hooks.Seconds(time.Since(c.mainBegan)))
	c.options.Course.Exited(process.ExitCode(status))
	c.mainEnded(status)
	return process.ExitCode(status), nil
}

// enter enters a phase. The caller holds the lock.
func (c *Container) enter(p phase) {
	c.phase = p
	c.arm()
}

func (c *Container) now() phase {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.phase
}

// gate runs prestart and reports whether the main process may start.
func (c *Container) gate() (code int, open bool) {
	began := time.Now()
	defer func() { c.gated = time.Since(began) }()
	gated, opened := context.WithCancel(c.rest)
	go c.watchForShutdown(gated)
	result, err := c.hooks.call(c.rest, config.Prestart, hooks.Request{Trigger: state.TriggerStart})
	opened()
	c.abandonIfCalled() // a call can have come since the last look
	if c.now() == abandoned {
		return c.leave(), false
	}
	if err != nil && !c.hooks.hasSteps(config.Prestart) {
		return 0, true // a hook without steps needs no state
	}
	if err != nil {
		// A prestart that could not run is shown as failed.
		now := time.Now()
		c.hooks.ended(state.Record{Hook: config.Prestart, Trigger: state.TriggerStart,
			Outcome: state.Failed, Reason: err.Error(), Start: began, End: &now})
	} else if result.Record.Outcome == state.Succeeded {
		return 0, true
	}
	c.options.Logger.Error("main process not started, prestart has not succeeded")
	return hooks.Judge(result, err).ExitCode, false
}

// firstLook bounds how long the main process waits for a look at the files that are
// watched: their file system may hang.
const firstLook = time.Second

// watch begins to watch files. What changes after the main process has read it counts.
func (c *Container) watch() {
	if c.options.Watch == nil {
		return
	}
	timer := time.NewTimer(firstLook)
	defer timer.Stop()
	select {
	case <-c.options.Watch(c.serving):
	case <-timer.C:
	case <-c.serving.Done():
	}
}

// lookInterval is how often a gated start looks for a call of shutdown by another
// process.
const lookInterval = 200 * time.Millisecond

var errShutdownCalled = errors.New("shutdown was called before the main process was started")

// watchForShutdown abandons the start when shutdown is called.
func (c *Container) watchForShutdown(gated context.Context) {
	ticker := time.NewTicker(lookInterval)
	defer ticker.Stop()
	for {
		select {
		case <-gated.Done():
			return
		case <-ticker.C:
			if c.abandonIfCalled() {
				return
			}
		}
	}
}

func (c *Container) abandonIfCalled() bool {
	if !c.hooks.shutdownCalled() {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase == starting {
		c.abandon(errShutdownCalled)
	}
	return true
}

// abandon gives up the start. The caller holds the lock.
func (c *Container) abandon(cause error) {
	c.endServing()
	c.hooks.callOff(config.Prestart, cause)
	c.enter(abandoned)
}

// leave ends a container whose main process was not started, after the callers of
// shutdown have got their answer. It returns the exit code: 128 plus the stop signal, or
// that of SIGTERM, which follows a preStop.
func (c *Container) leave() (code int) {
	c.hooks.awaitShutdown(c.rest)
	c.hooks.awaitCallers(c.rest, config.Shutdown)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopSignal == 0 {
		c.options.Logger.Warn("main process not started, shutdown was called before")
		return hooks.ExitInterrupted
	}
	c.options.Logger.Info("stopped before the main process was started", "signal", unix.SignalName(c.stopSignal))
	return 128 + int(c.stopSignal)
}

func (c *Container) background() {
	if _, err := c.hooks.call(c.rest, config.Prestart, hooks.Request{Trigger: state.TriggerStart}); err != nil {
		c.options.Logger.Error("prestart not run", "error", err.Error())
	}
}

// start starts the main process under the lock, so that a stop signal comes either
// before or after it. The channel is nil if the start is abandoned.
func (c *Container) start() (<-chan syscall.WaitStatus, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase == abandoned {
		return nil, nil
	}
	var exited <-chan syscall.WaitStatus
	main, err := c.options.Main.Start(func() (pid int, err error) {
		pid, exited, err = c.super.Start(c.options.Command)
		return pid, err
	}, c.super.Deliver)
	if err != nil {
		return nil, err
	}
	c.mainBegan = time.Now()
	if c.options.Prestart == Gate && c.hooks.hasSteps(config.Prestart) {
		c.options.Course.Started(c.gated)
	}
	c.options.Logger.Info(show.MainStarted, "program", c.options.Command.Argv[0], "pid", main.PID)
	c.hooks.saveMain(main)
	c.enter(running)
	return exited, nil
}
