package hooks

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/internal/testutil"
)

// TestWaitShows: while a step waits, its record says for what, and what was seen last.
func TestWaitShows(t *testing.T) {
	var value atomic.Int32
	value.Store(7)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "active{l=\"a\"} %d\n", value.Load())
	}))
	defer server.Close()
	b := newBench(t, hook("- {name: first, exec: [\"true\"]}\n- {name: drain, wait: {metric: {url: \""+server.URL+"\", name: active, atMost: 0}, interval: 100ms}}\n"))
	f, _, err := b.Start("demo", Request{})
	if err != nil {
		t.Fatal(err)
	}
	shows := func(want string) {
		t.Helper()
		testutil.Eventually(t, "the record says "+want, func() bool {
			rec, found, err := b.Options.Store.Hook("demo").Read()
			return err == nil && found && rec.Steps[1].Outcome == state.Running && rec.Steps[1].Attempt == 1 && rec.Steps[1].Waiting == want
		})
	}
	shows("metric active <= 0: active = 7")
	value.Store(3)
	shows("metric active <= 0: active = 3")
	value.Store(0)
	result, err := f.Wait(t.Context())
	if err != nil || result.Record.Outcome != state.Succeeded || result.Record.Steps[1].Waiting != "" {
		t.Errorf("got %+v, %v", result.Record, err)
	}
	contains(t, b.out.text(), "drain: waiting for metric active <= 0: active = 7", "drain: metric active <= 0: active = 0")
}

// TestWaitTimesOut: the reason names what was seen last.
func TestWaitTimesOut(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	b := newBench(t, hook("- {name: a, wait: {tcp: \""+listener.Addr().String()+"\"}, timeout: 400ms}\n"))
	began := time.Now()
	rec := b.expect(state.TimedOut, "a timed_out")
	testutil.Within(t, time.Since(began), 400*time.Millisecond, 10*time.Second)
	contains(t, rec.Reason, "step a: timed out after its timeout of 400ms; seen last of tcp ", "connection refused")
}

// TestMetricGone: a drain that cannot be watched does not use up the hook's time.
func TestMetricGone(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	for policy, want := range map[string]state.Outcome{"error": state.Failed, "done": state.Succeeded, "wait": state.TimedOut} {
		b := newBench(t, hook("- {name: a, wait: {metric: {url: \""+server.URL+"\", name: m, atMost: 0, goneIs: "+policy+"}}, timeout: 1s}\n"))
		began := time.Now()
		b.expect(want, "a "+string(want))
		if want != state.TimedOut {
			testutil.Within(t, time.Since(began), 0, 900*time.Millisecond)
		}
	}
}

func TestWaitExit(t *testing.T) {
	const steps = "- {name: a, wait: {exit: main}}\n"
	main := newMainProcess()
	with := func(o *Options) { o.Main = main }
	b := newBench(t, hook(steps, "timeout: 300ms"), with)
	began := time.Now()
	b.expect(state.TimedOut, "a timed_out")
	testutil.Within(t, time.Since(began), 300*time.Millisecond, 10*time.Second)

	b = newBench(t, hook(steps), with)
	f, _, err := b.Start("demo", Request{})
	if err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "the record says what it waits for", func() bool {
		rec, found, err := b.Options.Store.Hook("demo").Read()
		return err == nil && found && rec.Steps[0].Waiting == "exit of the main process"
	})
	close(main.exit)
	if result, err := f.Wait(t.Context()); err != nil || result.Record.Outcome != state.Succeeded {
		t.Errorf("got %+v, %v", result.Record, err)
	}

	// The container has restarted since the run began. The run does not wait for the new
	// main process.
	main = newMainProcess()
	b = newBench(t, hook("- {name: go, wait: {file: DIR/go}}\n"+steps), with)
	if f, _, err = b.Start("demo", Request{}); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "the run has begun", func() bool {
		rec, found, err := b.Options.Store.Hook("demo").Read()
		return err == nil && found && rec.Steps[0].Outcome == state.Running
	})
	main.identity.Store(&state.MainIdentity{PID: 7, StartTime: 2})
	b.script("go", "")
	if result, err := f.Wait(t.Context()); err != nil || result.Record.Outcome != state.Succeeded {
		t.Errorf("got %+v, %v", result.Record, err)
	}

	// An unknown main process has not exited, and the run does not wait for it.
	main = newMainProcess()
	main.identity.Store(nil)
	main.err = errors.New("name:ngnix not found")
	b = newBench(t, hook(steps), with)
	contains(t, b.expect(state.Failed, "a failed").Reason, "name:ngnix not found")

	b = newBench(t, hook(steps))
	contains(t, b.expect(state.Failed, "a failed").Reason, "set PODHOOK_MAIN")
}
