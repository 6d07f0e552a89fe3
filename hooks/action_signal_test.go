package hooks

import (
	"syscall"
	"testing"

	"github.com/podhook/podhook/hooks/state"
)

func TestSignalStep(t *testing.T) {
	main, other := &mainProcess{}, &mainProcess{err: &GoneError{Why: "name:nginx: process 8 has exited already"}}
	var asked string
	b := newBench(t, hook("- {name: a, signal: HUP}\n- {name: b, signal: {signal: RTMIN+3, to: \"name:nginx\"}}\n"), func(o *Options) {
		o.Main = main
		o.Target = func(target string) (MainProcess, error) {
			asked = target
			return other, nil
		}
	})
	rec := b.expect(state.Succeeded, "a succeeded", "b succeeded")
	if len(main.signals) != 1 || main.signals[0] != syscall.SIGHUP || len(other.signals) != 1 || other.signals[0] != 37 || asked != "name:nginx" {
		t.Errorf("main got %v, %q got %v", main.signals, asked, other.signals)
	}
	if rec.Totals.SignalsSent["SIGHUP"] != 1 || len(rec.Totals.SignalsSent) != 1 {
		t.Errorf("counted %v", rec.Totals.SignalsSent)
	}
	contains(t, b.out.text(), "a: SIGHUP sent to the main process", "b: signal 37 not sent: name:nginx: process 8 has exited already")
	main.err = syscall.EPERM
	b = newBench(t, hook("- {name: a, signal: HUP}\n"), func(o *Options) { o.Main = main })
	rec = b.expect(state.Failed, "a failed")
	contains(t, rec.Reason, "cannot send SIGHUP to the main process: operation not permitted")
}
