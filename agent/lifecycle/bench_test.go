package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/agent/mainprocess"
	"github.com/podhook/podhook/agent/supervisor"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/state"
)

// bench is a Container with a fake main process and fake hooks, in a bubble of fake
// time. It records events in their order.
type bench struct {
	c      *Container
	hooks  *fakeHooks
	main   *fakeMain
	course mainprocess.Course

	mu     sync.Mutex
	events []string
	timed  time.Time // events have their time since then, where it is set
}

// fakeMain is a supervisor with a main process that takes some time to stop.
type fakeMain struct {
	bench    *bench
	stops    time.Duration // from TERM to its end; less than 0 ignores it
	startErr error
	denied   bool                    // it gets no signal
	exited   chan syscall.WaitStatus // nil before the start
	once     sync.Once
}

func (m *fakeMain) Start(supervisor.Command) (int, <-chan syscall.WaitStatus, error) {
	if m.startErr != nil {
		return 0, nil, m.startErr
	}
	m.bench.note("main starts")
	m.exited = make(chan syscall.WaitStatus, 1)
	return 1 << 22, m.exited, nil // a pid that nobody has
}

func (m *fakeMain) Deliver(sig syscall.Signal) error {
	if m.denied {
		return errors.New("permission denied")
	}
	m.bench.note("main gets " + unix.SignalName(sig))
	switch {
	case sig == syscall.SIGKILL:
		m.end(syscall.WaitStatus(syscall.SIGKILL))
	case sig == syscall.SIGTERM && m.stops >= 0:
		time.AfterFunc(m.stops, func() { m.end(0) })
	}
	return nil
}

func (m *fakeMain) end(status syscall.WaitStatus) {
	m.once.Do(func() {
		m.bench.note("main ends")
		m.exited <- status
	})
}

// forEver is longer than any grace period here.
const forEver = 1000 * time.Hour

const graceInTests = 30 * time.Second

// play runs test in a bubble with a Container that is going to be run.
func play(t *testing.T, test func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{}
		b.main = &fakeMain{bench: b}
		b.hooks = &fakeHooks{bench: b, takes: map[string]time.Duration{}, outcomes: map[string]state.Outcome{},
			runs: map[string]*fakeRun{}, calledOff: map[string]bool{}}
		ctx, cancel := context.WithCancel(t.Context())
		b.c = newContainer(ctx, Options{Course: &b.course,
			Command: supervisor.Command{Argv: []string{"app"}}, Prestart: Gate, Main: mainprocess.NewChild(), Grace: hooks.Grace{Period: graceInTests},
			StopSignals: map[syscall.Signal]syscall.Signal{syscall.SIGTERM: syscall.SIGTERM, syscall.SIGINT: syscall.SIGTERM},
			Killed:      func(time.Duration) { b.note("told of the kill") },
			Logger:      slog.New(slog.DiscardHandler),
		}, b.hooks)
		test(b)
		if cancel(); b.main.exited != nil { // what still waits ends
			b.main.end(0)
		}
		synctest.Wait()
	})
}

// run starts podhook run and waits until all goroutines are idle.
func (b *bench) run() {
	go func() {
		code, err := b.c.Run(b.main)
		if err != nil {
			b.note(err.Error())
			return
		}
		b.note(fmt.Sprint("exit ", code))
	}()
	synctest.Wait()
}

// signal sends a signal as the supervisor does: a signal that is not held goes to the
// main process.
func (b *bench) signal(sig syscall.Signal) {
	if !b.c.Signal(sig) {
		b.note("passed on " + unix.SignalName(sig))
	}
	synctest.Wait()
}

func (b *bench) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (b *bench) note(event string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.timed.IsZero() {
		event = fmt.Sprint(time.Since(b.timed).Seconds(), " ", event)
	}
	b.events = append(b.events, event)
}

// take returns the events since its last call.
func (b *bench) take() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	taken := b.events
	b.events = nil
	return taken
}

func (b *bench) phase() string {
	return [...]string{"starting", "abandoned", "running", "draining", "terminating", "ended"}[b.c.now()]
}

// is returns the phase and the events since its last call.
func (b *bench) is() string {
	what := strings.Join(b.take(), ", ")
	if what == "" {
		what = "nothing"
	}
	return b.phase() + ": " + what
}
