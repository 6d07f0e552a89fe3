package hooks

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/internal/testutil"
)

// newRunner returns a Runner without a state. shutdown runs all the same.
func newRunner(t *testing.T, life context.Context, shutdown string, o Options) *Runner {
	t.Helper()
	cfg := &config.Config{Hooks: map[string]*config.Hook{"shutdown": hookOf(t, "shutdown", shutdown)}}
	o.Config = func() (*config.Config, error) { return cfg, nil }
	return New(life, o)
}

func TestCallersOfOneProcessShareARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRunner(t, t.Context(), "{steps: [{sleep: 3s}]}", Options{})
		began := time.Now()
		var callers sync.WaitGroup
		runs := make(chan Result, 1000)
		for range cap(runs) {
			callers.Go(func() {
				result, err := r.Call(t.Context(), "shutdown", Request{Trigger: state.TriggerHTTP})
				if err != nil || result.Record.Outcome != state.Succeeded {
					t.Errorf("%+v, %v", result, err)
				}
				runs <- result
			})
		}
		callers.Wait()
		close(runs)
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("took %v, want the 3s of one run", took)
		}
		ids, first := map[string]bool{}, 0
		for result := range runs {
			ids[result.Record.RunID] = true
			if !result.Joined {
				first++
			}
		}
		if len(ids) != 1 || first != 1 {
			t.Errorf("%d runs, %d callers say that they have begun one", len(ids), first)
		}
	})
}

func TestACallerThatGoesAwayDoesNotStopTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRunner(t, t.Context(), "{steps: [{sleep: 3s}]}", Options{})
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := r.Call(ctx, "shutdown", Request{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the caller got %v", err)
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("the caller was held for %v", took)
		}
		result, err := r.Call(t.Context(), "shutdown", Request{})
		if err != nil || !result.Joined || result.Record.Outcome != state.Succeeded || time.Since(began) != 3*time.Second {
			t.Errorf("after %v: %+v, %v", time.Since(began), result, err)
		}
	})
}

// A call that waits for the run of another process gives up when its Joiner ends, and
// then runs nothing.
func TestAJoinerThatNobodyWaitsForGivesUp(t *testing.T) {
	b := newBench(t, "hooks: {shutdown: {steps: [{write: {file: DIR/ran, content: x}}]}}")
	lock, ok, err := b.Options.Store.Hook("shutdown").TryLock()
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	joiner, gone := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, gone)
	if _, err := b.Call(t.Context(), "shutdown", Request{Joiner: joiner}); !errors.Is(err, context.Canceled) || b.exists("ran") {
		t.Errorf("%v; ran: %v", err, b.exists("ran"))
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	var result Result
	// Its own run, once the waiter that gave up has let go of the lock, which it can still get.
	testutil.Eventually(t, "a call gets the lock at once", func() bool {
		result, err = b.Call(t.Context(), "shutdown", Request{Joiner: joiner})
		return err == nil
	})
	if result.Record.Outcome != state.Succeeded || !b.exists("ran") {
		t.Errorf("%+v, %v", result.Record, err)
	}
}

func TestTimeIsABudget(t *testing.T) {
	for name, c := range map[string]struct {
		text    string
		grace   Grace
		stopped time.Duration // how long ago
		want    time.Duration
		outcome state.Outcome
	}{
		"enough":          {"{timeout: 25s, steps: [{sleep: 9s}, {sleep: 9s}]}", Grace{30 * time.Second, 2 * time.Second}, 0, 18 * time.Second, state.Succeeded},
		"second is cut":   {"{timeout: 12s, steps: [{sleep: 9s}, {sleep: 9s}]}", Grace{}, 0, 12 * time.Second, state.TimedOut},
		"grace period":    {"{timeout: 25s, steps: [{sleep: 9s}, {sleep: 9s}]}", Grace{15 * time.Second, 2 * time.Second}, 0, 13 * time.Second, state.TimedOut},
		"begun before":    {"{timeout: 25s, steps: [{sleep: 9s}, {sleep: 9s}]}", Grace{30 * time.Second, 2 * time.Second}, 20 * time.Second, 8 * time.Second, state.TimedOut},
		"nothing is left": {"{timeout: 25s, steps: [{sleep: 9s}]}", Grace{30 * time.Second, 2 * time.Second}, time.Minute, 0, state.TimedOut},
		// The hook's time is up, so no policy lets a step begin.
		"continue": {"{timeout: 5s, steps: [{sleep: 9s, onFailure: continue}, {sleep: 1s}]}", Grace{}, 0, 5 * time.Second, state.TimedOut},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRunner(t, t.Context(), c.text, Options{Grace: c.grace})
				began := time.Now()
				if c.stopped > 0 {
					r.BeginGrace(began.Add(-c.stopped))
				}
				result, err := r.Call(t.Context(), "shutdown", Request{})
				if err != nil || result.Record.Outcome != c.outcome || time.Since(began) != c.want {
					t.Errorf("%s after %v (%s), %v; want %s after %v", result.Record.Outcome, time.Since(began), result.Record.Reason, err, c.outcome, c.want)
				}
			})
		})
	}
}

func TestTheEndOfLifeInterrupts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		life, end := context.WithCancelCause(t.Context())
		r := newRunner(t, life, "{steps: [{name: pause, sleep: 9s}, {sleep: 9s}]}", Options{})
		began := time.Now()
		time.AfterFunc(2*time.Second, func() { end(errors.New("the agent leaves")) })
		result, err := r.Call(t.Context(), "shutdown", Request{})
		rec := result.Record
		if err != nil || rec.Outcome != state.Interrupted || time.Since(began) != 2*time.Second {
			t.Errorf("after %v: %+v, %v", time.Since(began), rec, err)
		}
		if rec.Reason != "step pause: interrupted: the agent leaves" || rec.Steps[1].Outcome != state.Skipped {
			t.Errorf("reason %q, steps %+v", rec.Reason, rec.Steps)
		}
	})
}

func TestWaitWaitsForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		yaml := "hooks:\n"
		for i := range 9 {
			yaml += fmt.Sprintf("  hook-%d: {steps: [{sleep: %ds}]}\n", i, i+1)
		}
		b := newBench(t, yaml)
		began := time.Now()
		for name := range b.cfg.Hooks {
			if _, _, err := b.Start(name, Request{}); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		if err := b.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 4*time.Second {
			t.Errorf("after %v: %v, want the context's end", time.Since(began), err)
		}
		if err := b.Wait(t.Context()); err != nil || time.Since(began) != 9*time.Second {
			t.Errorf("after %v: %v, want the end of the longest run", time.Since(began), err)
		}
	})
}

// Only shutdown runs if nothing can be recorded, and then it does not succeed.
func TestWithoutAState(t *testing.T) {
	broken := errors.New("no place")
	r := newRunner(t, t.Context(), "{steps: []}", Options{StoreErr: broken})
	result, err := r.Call(t.Context(), "shutdown", Request{})
	if err != nil || result.Record.Outcome != state.Failed {
		t.Errorf("%+v, %v", result.Record, err)
	}
	cfg := &config.Config{Hooks: map[string]*config.Hook{"prestart": hookOf(t, "prestart", "{steps: []}")}}
	r = New(t.Context(), Options{StoreErr: broken, Config: func() (*config.Config, error) { return cfg, nil }})
	var lost *NotRecordedError
	if _, err := r.Call(t.Context(), "prestart", Request{}); !errors.As(err, &lost) || !errors.Is(err, broken) {
		t.Errorf("prestart: %v", err)
	}
	var unknown *UnknownHookError
	if _, err := r.Call(t.Context(), "nosuch", Request{}); !errors.As(err, &unknown) || unknown.Name != "nosuch" {
		t.Errorf("nosuch: %v", err)
	}
}
