package lifecycle

import (
	"maps"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// situations bring a container into each phase, into some phases in two ways.
var situations = map[string]func(*bench){
	"starting": func(b *bench) {
		b.hooks.takes[config.Prestart] = forEver
		b.run()
	},
	"abandoned, shutdown called": func(b *bench) {
		b.hooks.takes[config.Prestart] = forEver
		b.run()
		b.hooks.calls(state.TriggerHTTP, 0)
		b.wait(lookInterval)
	},
	"abandoned, stopped": func(b *bench) {
		b.hooks.takes[config.Prestart] = forEver
		b.run()
		b.hooks.calls(state.TriggerHTTP, time.Millisecond)
		b.signal(syscall.SIGTERM)
	},
	"running": func(b *bench) { b.run() },
	"draining": func(b *bench) {
		b.hooks.takes[config.Shutdown] = forEver
		b.run()
		b.signal(syscall.SIGTERM)
	},
	"terminating": func(b *bench) {
		b.main.stops = -1
		b.run()
		b.signal(syscall.SIGTERM)
	},
	"ended": func(b *bench) {
		b.hooks.takes[config.Poststop] = forEver
		b.run()
		b.main.end(0)
		b.wait(0)
	},
	"ended, preStop goes on": func(b *bench) {
		b.hooks.takes[config.Poststop] = forEver
		b.run()
		b.hooks.calls(state.TriggerHTTP, 5*time.Second)
		b.main.end(0)
		b.wait(0)
	},
	"ended, stopped": func(b *bench) {
		b.hooks.takes[config.Poststop] = forEver
		b.run()
		b.signal(syscall.SIGTERM)
	},
}

// happenings are what can happen in any situation.
var happenings = map[string]func(*bench){
	"stop signal":       func(b *bench) { b.signal(syscall.SIGTERM) },
	"other stop signal": func(b *bench) { b.signal(syscall.SIGINT) },
	"third stop signal": func(b *bench) {
		for b.c.stopSignals < 3 {
			b.signal(syscall.SIGTERM)
		}
	},
	"QUIT":            func(b *bench) { b.signal(syscall.SIGQUIT) },
	"other signal":    func(b *bench) { b.signal(syscall.SIGHUP) },
	"prestart ends":   func(b *bench) { b.finish(config.Prestart) },
	"prestart fails":  func(b *bench) { b.hooks.fails(config.Prestart); b.finish(config.Prestart) },
	"shutdown ends":   func(b *bench) { b.finish(config.Shutdown) },
	"poststop ends":   func(b *bench) { b.finish(config.Poststop) },
	"shutdown called": func(b *bench) { b.hooks.calls(state.TriggerHTTP, 0) },
	"main process ends": func(b *bench) {
		if b.main.exited != nil {
			b.main.end(7 << 8) // exit code 7
		}
	},
	"grace period ends": func(b *bench) { b.wait(2 * graceInTests) },
}

var table = map[string]map[string]string{
	"starting": {
		"stop signal":       "abandoned: prestart interrupted, exit 143",
		"other stop signal": "abandoned: prestart interrupted, exit 130",
		"third stop signal": "abandoned: prestart interrupted, exit 143",
		"QUIT":              "starting: passed on SIGQUIT",
		"other signal":      "starting: passed on SIGHUP",
		"prestart ends":     "running: main starts",
		"prestart fails":    "starting: exit 1",
		"shutdown ends":     "starting: nothing",
		"poststop ends":     "starting: nothing",
		"shutdown called":   "abandoned: prestart interrupted",
		"main process ends": "starting: nothing",
		"grace period ends": "starting: nothing",
	},
	"abandoned, shutdown called": {
		"stop signal":       "abandoned: nothing",
		"other stop signal": "abandoned: nothing",
		"third stop signal": "abandoned: exit 143",
		"QUIT":              "abandoned: exit 143",
		"other signal":      "abandoned: passed on SIGHUP",
		"prestart ends":     "abandoned: nothing",
		"prestart fails":    "abandoned: nothing",
		"shutdown ends":     "abandoned: exit 143",
		"poststop ends":     "abandoned: nothing",
		"shutdown called":   "abandoned: nothing",
		"main process ends": "abandoned: nothing",
		"grace period ends": "abandoned: nothing", // it has not begun
	},
	"abandoned, stopped": {
		"stop signal":       "abandoned: nothing",
		"other stop signal": "abandoned: nothing",
		"third stop signal": "abandoned: exit 143",
		"QUIT":              "abandoned: exit 143",
		"other signal":      "abandoned: passed on SIGHUP",
		"prestart ends":     "abandoned: nothing",
		"prestart fails":    "abandoned: nothing",
		"shutdown ends":     "abandoned: exit 143",
		"poststop ends":     "abandoned: nothing",
		"shutdown called":   "abandoned: nothing",
		"main process ends": "abandoned: nothing",
		"grace period ends": "abandoned: exit 143",
	},
	"running": {
		"stop signal":       "ended: shutdown, main gets SIGTERM, main ends, poststop, exit 0",
		"other stop signal": "ended: shutdown, main gets SIGTERM, main ends, poststop, exit 0",
		"third stop signal": "ended: shutdown, main gets SIGTERM, main ends, poststop, exit 0",
		"QUIT":              "running: passed on SIGQUIT",
		"other signal":      "running: passed on SIGHUP",
		"prestart ends":     "running: nothing",
		"prestart fails":    "running: nothing",
		"shutdown ends":     "running: nothing",
		"poststop ends":     "running: nothing",
		"shutdown called":   "running: nothing",
		"main process ends": "ended: main ends, poststop, exit 7",
		"grace period ends": "running: nothing",
	},
	"draining": {
		"stop signal":       "draining: nothing",
		"other stop signal": "draining: nothing",
		"third stop signal": "terminating: shutdown interrupted, passed on SIGTERM",
		"QUIT":              "terminating: shutdown interrupted, passed on SIGQUIT",
		"other signal":      "draining: passed on SIGHUP",
		"prestart ends":     "draining: nothing",
		"prestart fails":    "draining: nothing",
		"shutdown ends":     "ended: main gets SIGTERM, main ends, poststop, exit 0",
		"poststop ends":     "draining: nothing",
		"shutdown called":   "draining: nothing",
		"main process ends": "ended: main ends", // shutdown is finished before poststop
		"grace period ends": "ended: shutdown interrupted, main gets SIGTERM, main ends, poststop, exit 0",
	},
	"terminating": {
		"stop signal":       "terminating: passed on SIGTERM",
		"other stop signal": "terminating: main gets SIGTERM",
		"third stop signal": "terminating: passed on SIGTERM, passed on SIGTERM",
		"QUIT":              "terminating: passed on SIGQUIT",
		"other signal":      "terminating: passed on SIGHUP",
		"prestart ends":     "terminating: nothing",
		"prestart fails":    "terminating: nothing",
		"shutdown ends":     "terminating: nothing",
		"poststop ends":     "terminating: nothing",
		"shutdown called":   "terminating: nothing",
		"main process ends": "ended: main ends, poststop, exit 7",
		"grace period ends": "ended: main gets SIGKILL, main ends, told of the kill, poststop, exit 137",
	},
	"ended": {
		"stop signal":       "ended: nothing",
		"other stop signal": "ended: nothing",
		"third stop signal": "ended: poststop interrupted, exit 0",
		"QUIT":              "ended: poststop interrupted, exit 0",
		"other signal":      "ended: passed on SIGHUP",
		"prestart ends":     "ended: nothing",
		"prestart fails":    "ended: nothing",
		"shutdown ends":     "ended: nothing",
		"poststop ends":     "ended: exit 0",
		"shutdown called":   "ended: nothing",
		"main process ends": "ended: nothing",
		"grace period ends": "ended: nothing", // it has not begun
	},
	"ended, preStop goes on": {
		"stop signal":       "ended: poststop", // kubelet's time is up
		"other stop signal": "ended: poststop",
		"third stop signal": "ended: poststop, poststop interrupted, exit 0",
		"QUIT":              "ended: poststop, poststop interrupted, exit 0",
		"other signal":      "ended: passed on SIGHUP",
		"prestart ends":     "ended: nothing",
		"prestart fails":    "ended: nothing",
		"shutdown ends":     "ended: poststop",
		"poststop ends":     "ended: nothing",
		"shutdown called":   "ended: nothing",
		"main process ends": "ended: nothing",
		"grace period ends": "ended: poststop, poststop interrupted, exit 0",
	},
	"ended, stopped": {
		"stop signal":       "ended: nothing",
		"other stop signal": "ended: nothing",
		"third stop signal": "ended: poststop interrupted, exit 0",
		"QUIT":              "ended: poststop interrupted, exit 0",
		"other signal":      "ended: passed on SIGHUP",
		"prestart ends":     "ended: nothing",
		"prestart fails":    "ended: nothing",
		"shutdown ends":     "ended: nothing",
		"poststop ends":     "ended: exit 0",
		"shutdown called":   "ended: nothing",
		"main process ends": "ended: nothing",
		"grace period ends": "ended: poststop interrupted, exit 0",
	},
}

// finish ends a run in progress.
func (b *bench) finish(hook string) {
	if hook == config.Shutdown {
		b.hooks.answered(state.Succeeded, 0)
	}
	b.hooks.end(hook)
}

// Each event in each situation has the effect in the table, within half a second.
func TestEverySituation(t *testing.T) { everywhere(t, table, happenings) }

// preStops are stop signals before, during and after a possible preStop.
var preStops = map[string]func(*bench){
	"young by HTTP": func(b *bench) { b.hooks.calls(state.TriggerHTTP, 800*time.Millisecond) },
	"old by HTTP":   func(b *bench) { b.hooks.calls(state.TriggerHTTP, time.Second) },
	"young by exec": func(b *bench) { b.hooks.calls(state.TriggerExec, 100*time.Millisecond) },
	"by a signal":   func(b *bench) { b.hooks.calls(state.TriggerSignal, 5*time.Second) }, // another podhook's
	"after it":      func(b *bench) { b.hooks.calls(state.TriggerExec, -time.Millisecond) },
	"succeeded":     func(b *bench) { b.called(state.Succeeded, 5*time.Second, 13*time.Millisecond) },
	"failed":        func(b *bench) { b.called(state.Failed, 5*time.Second, 13*time.Millisecond) },
	"timed out":     func(b *bench) { b.called(state.TimedOut, 5*time.Second, 13*time.Millisecond) },
	"interrupted":   func(b *bench) { b.called(state.Interrupted, 5*time.Second, 13*time.Millisecond) },
	"killed": func(b *bench) {
		b.called(state.Interrupted, time.Second, 0)
		b.hooks.known.last.End = nil
	},
	"succeeded long ago": func(b *bench) { b.called(state.Succeeded, 9*time.Second, 8*time.Second) },
	"failed long ago":    func(b *bench) { b.called(state.Failed, 9*time.Second, 8*time.Second) },
}

// called is a call of shutdown by somebody else that has ended.
func (b *bench) called(outcome state.Outcome, ago, endedAgo time.Duration) {
	b.hooks.calls(state.TriggerExec, ago)
	b.hooks.answered(outcome, endedAgo)
}

const (
	toldAtOnce  = "ended: main gets SIGTERM, main ends, poststop, exit 0"
	toldBeside  = "ended: main gets SIGTERM, main ends, poststop" // the run goes on
	drainsFirst = "ended: shutdown, main gets SIGTERM, main ends, poststop, exit 0"
	joins       = "draining: shutdown joined"
	neverStarts = "abandoned: prestart interrupted, exit 143"
	awaits      = "abandoned: prestart interrupted"
)

var preStopTable = map[string]map[string]string{
	"starting": {
		"young by HTTP": awaits, "old by HTTP": awaits, "young by exec": awaits, "by a signal": awaits, "after it": awaits,
		"succeeded": neverStarts, "failed": neverStarts, "timed out": neverStarts, "interrupted": neverStarts,
		"killed": neverStarts, "succeeded long ago": neverStarts, "failed long ago": neverStarts,
	},
	"running": {
		"young by HTTP": joins, "old by HTTP": toldBeside, "young by exec": toldBeside, "by a signal": joins, "after it": joins,
		"succeeded": toldAtOnce, "failed": toldAtOnce, "timed out": toldAtOnce, "interrupted": drainsFirst,
		"killed": drainsFirst, "succeeded long ago": toldAtOnce, "failed long ago": drainsFirst,
	},
}

// The effect of a stop signal depends on the shutdown before it.
func TestStopSignalAndPreStop(t *testing.T) {
	signals := map[string]func(*bench){}
	for name, preStop := range preStops {
		signals[name] = func(b *bench) {
			preStop(b)
			b.signal(syscall.SIGTERM)
		}
	}
	everywhere(t, preStopTable, signals)
}

// everywhere plays each event in each situation. The table must have all of them.
func everywhere(t *testing.T, table map[string]map[string]string, happenings map[string]func(*bench)) {
	for situation, expected := range table {
		if got, want := slices.Sorted(maps.Keys(expected)), slices.Sorted(maps.Keys(happenings)); !slices.Equal(got, want) {
			t.Errorf("%s: the table has %q, want %q", situation, got, want)
		}
		for happening, happen := range happenings {
			t.Run(situation+"/"+happening, func(t *testing.T) {
				play(t, func(b *bench) {
					situations[situation](b)
					b.take()
					happen(b)
					b.wait(500 * time.Millisecond)
					if got := b.is(); got != expected[happening] {
						t.Errorf("got  %s\nwant %s", got, expected[happening])
					}
					if lives := b.c.options.Main.Identity() != nil; lives != (b.phase() == "running" || b.phase() == "draining" || b.phase() == "terminating") {
						t.Errorf("hooks see a main process: %v", lives)
					}
				})
			})
		}
	}
}

// The table has a row for each situation.
func TestTableHasEverySituation(t *testing.T) {
	if got, want := slices.Sorted(maps.Keys(table)), slices.Sorted(maps.Keys(situations)); !slices.Equal(got, want) {
		t.Errorf("the table has %q, want %q", got, want)
	}
}
