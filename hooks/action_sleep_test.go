package hooks

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/internal/testutil"
)

// A shutdown sleeps to the end if the main process lives or is unknown.
func TestSleepOfShutdown(t *testing.T) {
	exited := newMainProcess()
	close(exited.exit)
	for name, row := range map[string]struct {
		main MainProcess
		says string // why it has not slept to the end
	}{
		"not started":    {&mainProcess{err: &GoneError{Why: "the main process has not been started"}}, "not slept to the end: the main process has not been started"},
		"exits":          {exited, "not slept to the end: the main process has exited"},
		"is there":       {newMainProcess(), ""},
		"cannot be told": {&mainProcess{err: errors.New("name:ngnix not found")}, ""},
		"none":           {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			duration, least := "1h", time.Duration(0)
			if row.says == "" {
				duration, least = "200ms", 200*time.Millisecond
			}
			b := newBench(t, "hooks: {shutdown: {steps: [{name: nap, sleep: "+duration+"}]}}", func(o *Options) { o.Main = row.main })
			began := time.Now()
			result, err := b.Call(t.Context(), "shutdown", Request{})
			if err != nil || result.Record.Outcome != state.Succeeded {
				t.Fatalf("%+v, %v", result.Record, err)
			}
			testutil.Within(t, time.Since(began), least, 10*time.Second)
			if row.says != "" {
				contains(t, b.out.text(), row.says)
			} else if text := b.out.text(); text != "" {
				t.Errorf("it says %q", text)
			}
		})
	}
}

// A sleep that takes all of its time is never in time, whichever timer the runtime sees
// first: `podhook check` says that such a hook can never succeed.
func TestSleepThatTakesAllItsTime(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			r := newRunner(t, t.Context(), "{timeout: 3s, steps: [{sleep: 3s}]}", Options{})
			result, err := r.Call(t.Context(), "shutdown", Request{})
			if err != nil || result.Record.Outcome != state.TimedOut {
				t.Fatalf("%+v, %v", result, err)
			}
		})
	}
}
