package hooks

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/internal/testutil"
)

// shutdown runs the steps as a shutdown, with a main process.
func (b *bench) shutdown() state.Record {
	b.t.Helper()
	result, err := b.Call(b.t.Context(), config.Shutdown, Request{Trigger: state.TriggerSignal})
	if err != nil {
		b.t.Fatal(err)
	}
	return result.Record
}

func shutdownHook(steps string) string { return strings.Replace(hook(steps), "demo:", "shutdown:", 1) }

// Every wait of a shutdown ends with the main process. A condition that does not hold by
// then is skipped; one that holds has succeeded.
func TestShutdownDoesNotWaitForAMainProcessThatHasGone(t *testing.T) {
	const waits = `
- {name: tcp, wait: {tcp: "127.0.0.1:1"}}
- {name: http, wait: {http: "http://127.0.0.1:1/"}, retries: 3}
- {name: metric, wait: {metric: {url: "http://127.0.0.1:1/", name: m, atMost: 0}}}
- {name: file, wait: {file: DIR/never}}
- {name: gone, wait: {gone: DIR/never}}
- {name: last, write: {file: DIR/done}}
`
	dead := newMainProcess()
	dead.identity.Store(nil)
	dead.err = &GoneError{Why: "process 7 has exited already"}
	exits := newMainProcess()
	time.AfterFunc(300*time.Millisecond, func() { close(exits.exit) })
	for name, main := range map[string]*mainProcess{"it is gone at the begin": dead, "it exits meanwhile": exits} {
		b := newBench(t, shutdownHook(waits), func(o *Options) { o.Main = main })
		began := time.Now()
		rec := b.shutdown()
		testutil.Within(t, time.Since(began), 0, 15*time.Second)
		if rec.Outcome != state.Succeeded {
			t.Errorf("%s: %s: %s", name, rec.Outcome, rec.Reason)
		}
		for i, want := range []state.Outcome{state.Skipped, state.Skipped, state.Skipped, state.Skipped, state.Succeeded, state.Succeeded} {
			s := rec.Steps[i]
			if s.Outcome != want {
				t.Errorf("%s: %+v, want %s", name, s, want)
			}
			if s.Outcome == state.Skipped && (s.Attempt != 1 || !strings.Contains(s.Error, "exited") || !strings.Contains(s.Error, "seen last of")) {
				t.Errorf("%s: %+v", name, s)
			}
		}
		contains(t, b.out.text(), "file: not waited to the end: ")
	}
}

// A main process that was never seen may live: the wait lasts until the step's timeout.
func TestShutdownWaitsWhereNoMainProcessIsKnownToBeGone(t *testing.T) {
	unknown := newMainProcess()
	unknown.identity.Store(nil)
	unknown.err = errors.New("no process matches name:web")
	b := newBench(t, shutdownHook("- {name: a, wait: {file: DIR/never}, timeout: 300ms}\n"), func(o *Options) { o.Main = unknown })
	if rec := b.shutdown(); rec.Outcome != state.TimedOut {
		t.Errorf("%+v", rec)
	}
}

// The waits of other hooks do not end with the main process.
func TestOtherHooksWaitWithoutAMainProcess(t *testing.T) {
	dead := newMainProcess()
	dead.err = &GoneError{Why: "process 7 has exited already"}
	b := newBench(t, hook("- {name: a, wait: {file: DIR/never}, timeout: 300ms}\n"), func(o *Options) { o.Main = dead })
	b.expect(state.TimedOut, "a timed_out")
}

// A wait after a step that has waited for the main process's exit does not end early.
func TestWaitAfterTheExitOfTheMainProcess(t *testing.T) {
	dead := newMainProcess()
	dead.err = &GoneError{Why: "process 7 has exited already"}
	b := newBench(t, shutdownHook("- {name: exit, wait: {exit: main}}\n- {name: flushed, wait: {file: DIR/flushed}}\n"),
		func(o *Options) { o.Main = dead })
	f, _, err := b.Start(config.Shutdown, Request{})
	if err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "it waits", func() bool { return strings.Contains(b.out.text(), "waiting for") })
	b.script("flushed", "")
	result, err := f.Wait(t.Context())
	if err != nil || result.Record.Outcome != state.Succeeded || result.Record.Steps[1].Outcome != state.Succeeded {
		t.Errorf("%+v, %v", result.Record, err)
	}
}
