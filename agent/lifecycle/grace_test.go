package lifecycle

import (
	"errors"
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/agent/supervisor"
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// stopAt is a stop with a grace period of 10 s, and its events by the second after the
// stop signal.
type stopAt struct {
	preStop         func(*bench) // what was called before it
	stops           time.Duration
	shutdown        time.Duration // that the stop signal runs
	poststop        time.Duration
	happens         []string
	graceBegan      float64 // as the hooks are told, in seconds after the stop signal
	noGraceForHooks bool
}

// The grace period, 10 s, counts from the preStop of this stop or from its signal, and
// the main process is killed 2 s before its end, or 1 s after its own stop signal.
func TestGraceArithmetic(t *testing.T) {
	for name, row := range map[string]stopAt{
		"no preStop": {
			stops: -1, happens: []string{"0 shutdown", "0 main gets SIGTERM", "8 main gets SIGKILL", "8 main ends", "8 told of the kill", "8 poststop", "8 exit 137"},
		},
		"preStop of 3 s": {
			preStop: answered(3*time.Second, 0), stops: -1, graceBegan: -3,
			happens: []string{"0 main gets SIGTERM", "5 main gets SIGKILL", "5 main ends", "5 told of the kill", "5 poststop", "5 exit 137"},
		},
		"preStop that took everything": {
			preStop: answered(9900*time.Millisecond, 13*time.Millisecond), stops: -1, graceBegan: -8, poststop: 400 * time.Millisecond,
			happens: []string{"0 main gets SIGTERM", "1 main gets SIGKILL", "1 main ends", "1 told of the kill", "1 poststop", "1.4 exit 137"},
		},
		"drained by hand 7 s before": {
			preStop: answered(7*time.Second, 6*time.Second), stops: 3 * time.Second,
			happens: []string{"0 main gets SIGTERM", "3 main ends", "3 poststop", "3 exit 0"},
		},
		"drained by hand, asked again by preStop": {
			preStop: func(b *bench) {
				answered(7*time.Second, 6*time.Second)(b)
				b.hooks.known.called = time.Now().Add(-100 * time.Millisecond)
			},
			stops: -1, graceBegan: -0.1,
			happens: []string{"0 main gets SIGTERM", "7.9 main gets SIGKILL", "7.9 main ends", "7.9 told of the kill", "7.9 poststop", "7.9 exit 137"},
		},
		"drained by hand, joined by preStop": {
			preStop: func(b *bench) {
				answered(7*time.Second, 0)(b)
				b.hooks.known.called = time.Now().Add(-time.Second)
			},
			stops: -1, graceBegan: -1,
			happens: []string{"0 main gets SIGTERM", "7 main gets SIGKILL", "7 main ends", "7 told of the kill", "7 poststop", "7 exit 137"},
		},
		"another container's preStop is joined": {
			preStop: func(b *bench) {
				b.hooks.calls(state.TriggerHTTP, 500*time.Millisecond)
				time.AfterFunc(4*time.Second, func() { b.hooks.answered(state.Succeeded, 0) })
			},
			stops: time.Second, graceBegan: -0.5,
			happens: []string{"0 shutdown joined", "4 main gets SIGTERM", "5 main ends", "5 poststop", "5 exit 0"},
		},
		// kubelet kills 2 s after its stop signal.
		"kubelet's time is up": {
			preStop: func(b *bench) { b.hooks.calls(state.TriggerExec, 6*time.Second) }, stops: 500 * time.Millisecond,
			poststop: 300 * time.Millisecond, graceBegan: -8,
			happens: []string{"0 main gets SIGTERM", "0.5 main ends", "0.5 poststop", "1.8 exit 0"},
		},
		"kubelet's time is up, poststop hangs": {
			preStop: func(b *bench) { b.hooks.calls(state.TriggerHTTP, 6*time.Second) }, stops: 500 * time.Millisecond,
			poststop: forEver, graceBegan: -8,
			happens: []string{"0 main gets SIGTERM", "0.5 main ends", "0.5 poststop", "1.55 poststop interrupted", "1.8 exit 0"},
		},
		// podhook is alive after that, so kubelet did not stop it: the main process has all its time.
		"drained by hand when the stop comes": {
			preStop: func(b *bench) { b.hooks.calls(state.TriggerExec, 7*time.Second) }, stops: 3 * time.Second,
			noGraceForHooks: true, poststop: time.Second,
			happens: []string{"0 main gets SIGTERM", "3 main ends", "3 poststop", "9.8 exit 0"},
		},
		"drained by hand when the stop comes, main process hangs": {
			preStop: func(b *bench) { b.hooks.calls(state.TriggerExec, 7*time.Second) }, stops: -1, noGraceForHooks: true,
			happens: []string{"0 main gets SIGTERM", "8 main gets SIGKILL", "8 main ends", "8 told of the kill", "8 poststop", "9.8 exit 137"},
		},
		"shutdown hangs": {
			shutdown: forEver, stops: -1,
			happens: []string{"0 shutdown", "8 shutdown interrupted", "8 main gets SIGTERM", "9 main gets SIGKILL", "9 main ends", "9 told of the kill", "9 poststop", "9 exit 137"},
		},
		"poststop hangs": {
			poststop: forEver, stops: time.Second,
			happens: []string{"0 shutdown", "0 main gets SIGTERM", "1 main ends", "1 poststop", "9.55 poststop interrupted", "9.55 exit 0"},
		},
	} {
		t.Run(name, func(t *testing.T) { play(t, func(b *bench) { row.play(t, b) }) })
	}
}

// answered is an earlier call of shutdown, and how long ago it was answered.
func answered(came, ago time.Duration) func(*bench) {
	return func(b *bench) { b.called(state.Succeeded, came, ago) }
}

func (row stopAt) play(t *testing.T, b *bench) {
	b.c.options.Grace.Period = 10 * time.Second
	b.hooks.takes[config.Shutdown], b.hooks.takes[config.Poststop], b.main.stops = row.shutdown, row.poststop, row.stops
	b.run()
	b.take()
	b.timed = time.Now()
	if row.preStop != nil {
		row.preStop(b)
	}
	b.signal(syscall.SIGTERM)
	b.wait(forEver)
	if got := b.take(); !slices.Equal(got, row.happens) {
		t.Errorf("got  %q\nwant %q", got, row.happens)
	}
	if b.hooks.grace.IsZero() != row.noGraceForHooks {
		t.Errorf("the hooks' grace period began %v", b.hooks.grace)
	} else if began := b.hooks.grace.Sub(b.timed).Seconds(); !row.noGraceForHooks && began != row.graceBegan {
		t.Errorf("the hooks' grace period began at %v s, want %v", began, row.graceBegan)
	}
}

// The poststop of a main process that ends by itself is bounded by a grace period only
// where a preStop has begun one.
func TestPoststopOfMainThatEndsByItself(t *testing.T) {
	for name, row := range map[string]struct {
		called  func(*bench)
		happens []string
	}{
		"no shutdown":                {func(*bench) {}, []string{"0 main ends", "0 poststop", "60 exit 0"}},
		"drained by hand 7 s before": {answered(7*time.Second, 6*time.Second), []string{"0 main ends", "0 poststop", "60 exit 0"}},
		"after a preStop":            {answered(3*time.Second, time.Second), []string{"0 main ends", "0 poststop", "26.55 poststop interrupted", "26.55 exit 0"}},
		"after a preStop, stop signal": {func(b *bench) {
			answered(3*time.Second, time.Second)(b)
			time.AfterFunc(5*time.Second, func() { b.c.Signal(syscall.SIGTERM) }) // it gives no more time
		}, []string{"0 main ends", "0 poststop", "26.55 poststop interrupted", "26.55 exit 0"}},
		"during a preStop that hangs": {func(b *bench) { b.hooks.calls(state.TriggerHTTP, 3*time.Second) },
			[]string{"0 main ends", "26.55 poststop", "26.55 poststop interrupted", "26.8 exit 0"}},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(b *bench) {
				b.hooks.takes[config.Poststop] = time.Minute
				b.run()
				b.take()
				b.timed = time.Now()
				row.called(b)
				b.main.end(0)
				b.wait(time.Hour)
				if got := b.take(); !slices.Equal(got, row.happens) {
					t.Errorf("got  %q\nwant %q", got, row.happens)
				}
			})
		})
	}
}

// A call of shutdown that comes when the gate opens is not overlooked.
func TestShutdownCalledAsTheGateOpens(t *testing.T) {
	play(t, func(b *bench) {
		b.hooks.takes[config.Prestart] = lookInterval / 2
		b.run()
		b.hooks.calls(state.TriggerExec, 0)
		b.wait(lookInterval / 2)
		b.finish(config.Shutdown)
		b.wait(0)
		if got := fmt.Sprint(b.take()); got != "[prestart exit 143]" {
			t.Error(got)
		}
	})
}

// podhook does not look for calls after the start of the main process.
func TestNothingWakesAnIdleContainer(t *testing.T) {
	play(t, func(b *bench) {
		b.run()
		b.hooks.looks = 0
		b.wait(24 * time.Hour)
		if b.hooks.looks != 0 {
			t.Errorf("%d looks in a day", b.hooks.looks)
		}
	})
}

// A prestart in the background ends with the stop, and with the main process.
func TestBackgroundPrestartEnds(t *testing.T) {
	for is, happens := range map[string]func(*bench){
		"draining: prestart interrupted, shutdown":                 func(b *bench) { b.signal(syscall.SIGTERM) },
		"ended: main ends, prestart interrupted, poststop, exit 0": func(b *bench) { b.main.end(0) },
	} {
		play(t, func(b *bench) {
			b.c.options.Prestart = Background
			b.hooks.takes[config.Prestart], b.hooks.takes[config.Shutdown] = forEver, forEver
			b.run()
			b.take()
			happens(b)
			b.wait(0)
			if got := b.is(); got != is {
				t.Errorf("got  %s\nwant %s", got, is)
			}
		})
	}
}

// Other ways to begin: prestart beside the main process, without it, and a main process
// that cannot be executed.
func TestBeginnings(t *testing.T) {
	for name, row := range map[string]struct {
		change func(*bench)
		is     string
	}{
		"background": {func(b *bench) { b.c.options.Prestart = Background }, "running: main starts, prestart"},
		"off":        {func(b *bench) { b.c.options.Prestart = Off }, "running: main starts"},
		"background, shutdown called before": {func(b *bench) {
			b.c.options.Prestart = Background
			b.hooks.calls(state.TriggerHTTP, 0)
		}, "running: main starts, prestart"},
		"not executed": {func(b *bench) { b.main.startErr = &supervisor.ExecError{Name: "x", Err: errors.New("is none")} }, `starting: prestart, cannot execute "x": is none`},
		"stopped before Run": {func(b *bench) {
			b.hooks.takes[config.Prestart] = forEver
			b.signal(syscall.SIGTERM)
		}, "abandoned: prestart, prestart interrupted, exit 143"},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(b *bench) {
				row.change(b)
				b.run()
				if got := b.is(); got != row.is {
					t.Errorf("got  %s\nwant %s", got, row.is)
				}
			})
		})
	}
}

// A kill that was not delivered is not reported.
func TestKillThatIsDenied(t *testing.T) {
	play(t, func(b *bench) {
		b.main.denied = true
		b.run()
		b.take()
		b.signal(syscall.SIGTERM)
		b.wait(2 * graceInTests)
		if got := b.is(); got != "terminating: shutdown" {
			t.Error(got)
		}
	})
}
