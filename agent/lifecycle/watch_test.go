package lifecycle

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// watches gives the container files to watch, at which the first look takes some time. The
// result reports whether they are watched.
func (b *bench) watches(look time.Duration) (goesOn func() bool) {
	var watching context.Context
	b.c.options.Watch = func(ctx context.Context) <-chan struct{} {
		watching = ctx
		b.note("watching")
		seen := make(chan struct{})
		time.AfterFunc(look, func() { close(seen) })
		return seen
	}
	return func() bool { return watching != nil && watching.Err() == nil }
}

// Files are watched from before the main process starts until it is to stop, or ends.
func TestWatch(t *testing.T) {
	for name, row := range map[string]struct {
		look time.Duration
		act  func(*bench)
		want string
		on   bool
	}{
		"runs": {0, func(b *bench) { b.run() }, "running: prestart, watching, main starts", true},
		"stopped": {0, func(b *bench) {
			b.hooks.takes[config.Shutdown] = forEver
			b.run()
			b.signal(syscall.SIGTERM)
		}, "draining: prestart, watching, main starts, shutdown", false},
		"ends by itself": {0, func(b *bench) {
			b.run()
			b.main.end(0)
			b.wait(0)
		}, "ended: prestart, watching, main starts, main ends, poststop, exit 0", false},
		"the look takes long": {forEver, func(b *bench) {
			b.run()
			b.wait(firstLook)
		}, "running: prestart, watching, main starts", true},
		"stopped during the look": {forEver, func(b *bench) {
			b.run()
			b.signal(syscall.SIGTERM)
		}, "abandoned: prestart, watching, exit 143", false},
		"prestart fails": {0, func(b *bench) {
			b.hooks.fails(config.Prestart)
			b.run()
		}, "starting: prestart, exit 1", false},
		"shutdown called before": {0, func(b *bench) {
			b.hooks.takes[config.Prestart] = forEver
			b.run()
			b.hooks.calls(state.TriggerHTTP, 0)
			b.wait(lookInterval)
		}, "abandoned: prestart, prestart interrupted", false},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(b *bench) {
				goesOn := b.watches(row.look)
				row.act(b)
				if got := b.is(); got != row.want || goesOn() != row.on {
					t.Errorf("%s, watching: %t\nwant %s, watching: %t", got, goesOn(), row.want, row.on)
				}
			})
		})
	}
}
