package lifecycle

import (
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// What is told of the main process: how long prestart held it back, how long its stop took
// from the preStop or the signal, and its exit code.
func TestCourse(t *testing.T) {
	const second = time.Second
	signalled := func(b *bench) { b.signal(syscall.SIGTERM) }
	for name, row := range map[string]struct {
		mode            Mode
		prestart, stops time.Duration
		then            func(*bench)
		delay, stop     float64 // -1 is not known
		code            int
	}{
		"stop signal":      {Gate, 3 * second, 2 * second, signalled, 3, 2, 0},
		"in background":    {Background, 3 * second, 2 * second, signalled, -1, 2, 0},
		"without prestart": {Off, 0, 2 * second, signalled, -1, 2, 0},
		"killed":           {Gate, 0, -1, signalled, 0, 28, 137},
		"by itself":        {Gate, 0, 0, func(b *bench) { b.main.end(7 << 8) }, 0, -1, 7},
		"second signal": {Gate, 0, 3 * second, func(b *bench) {
			b.signal(syscall.SIGTERM)
			b.wait(second)
			b.signal(syscall.SIGTERM)
		}, 0, 3, 0},
		"preStop": {Gate, 0, 2 * second, func(b *bench) {
			b.called(state.Succeeded, 5*second, 0)
			b.signal(syscall.SIGTERM)
		}, 0, 7, 0},
		"preStop that took everything": {Gate, 0, second / 2, func(b *bench) {
			b.called(state.Succeeded, 32*second, 0)
			b.signal(syscall.SIGTERM)
		}, 0, 32.5, 0},
		"preStop that ends it": {Gate, 0, 0, func(b *bench) {
			b.called(state.Succeeded, 5*second, second)
			b.main.end(0)
		}, 0, 5, 0},
		"preStop that goes on": {Gate, 0, 2 * second, func(b *bench) {
			b.hooks.calls(state.TriggerExec, 5*second)
			b.signal(syscall.SIGTERM)
		}, 0, 7, 0},
		"drained by hand before": {Gate, 0, 2 * second, func(b *bench) {
			b.called(state.Succeeded, 600*second, 590*second)
			b.signal(syscall.SIGTERM)
		}, 0, 2, 0},
		"signal in poststop": {Gate, 0, 0, func(b *bench) {
			b.hooks.takes[config.Poststop] = 5 * second
			b.main.end(0)
			b.wait(second)
			b.signal(syscall.SIGTERM)
		}, 0, -1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(b *bench) {
				b.c.options.Prestart = row.mode
				b.hooks.takes[config.Prestart], b.main.stops = row.prestart, row.stops
				b.run()
				b.wait(row.prestart)
				row.then(b)
				b.wait(forEver)
				seen := b.course.Seen()
				if got := known(seen.Delay); got != row.delay {
					t.Errorf("the start was held back for %v s, want %v", got, row.delay)
				}
				if got := known(seen.Stop); got != row.stop {
					t.Errorf("the stop took %v s, want %v", got, row.stop)
				}
				if seen.Code == nil || *seen.Code != row.code {
					t.Errorf("the exit code is %v, want %d", seen.Code, row.code)
				}
			})
		})
	}
}

func known(d *time.Duration) float64 {
	if d == nil {
		return -1
	}
	return d.Seconds()
}

// A main process that was not started has no course.
func TestCourseOfNothing(t *testing.T) {
	play(t, func(b *bench) {
		b.hooks.takes[config.Prestart] = forEver
		b.run()
		b.signal(syscall.SIGTERM)
		b.wait(forEver)
		if seen := b.course.Seen(); seen.Delay != nil || seen.Stop != nil || seen.Code != nil {
			t.Errorf("%+v", seen)
		}
	})
}
