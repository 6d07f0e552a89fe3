package hooks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/internal/testutil"
)

func TestHTTPStep(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path == "/fail" {
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprintf(w, "%s\nlast line\n", strings.Repeat("busy\n", 1000))
			return
		}
		if r.Method != "POST" || string(body) != "drain" || r.Header.Get("Authorization") != "Bearer s3cret" {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	defer server.Close()
	b := newBench(t, hook(strings.ReplaceAll(`
- name: good
  http: {url: "URL/quit?token=s3cret", body: drain, headers: {Authorization: {prefix: "Bearer ", file: DIR/token}}}
- {name: expected, http: {url: "URL/fail", status: 503}}
- {name: bad, http: "URL/fail?token=s3cret", onFailure: continue}
- {name: denied, http: {url: URL, headers: {Authorization: s3cret}}}
`, "URL", server.URL)))
	if err := os.WriteFile(b.path("token"), []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	rec := b.expect(state.Failed, "good succeeded", "expected succeeded", "bad failed", "denied failed")
	if want := "GET " + server.URL + "/fail?... was answered with status 503 Service Unavailable; expected is 2xx"; rec.Steps[2].Error != want {
		t.Errorf("got  %s\nwant %s", rec.Steps[2].Error, want)
	}
	contains(t, rec.Steps[3].Error, "403 Forbidden")
	out := b.out.text()
	if n := strings.Count(out, "bad: busy"); n != 2048/len("busy\n") || strings.Contains(out, "last line") {
		t.Errorf("%d lines of the failing answer are in the output, want its first 2 KiB", n)
	}
	if strings.Contains(out, "expected: busy") {
		t.Error("an answer that was expected is in the output")
	}
	if everything := out + fmt.Sprintf("%+v", rec); strings.Contains(everything, "s3cret") {
		t.Errorf("a secret was shown:\n%s", everything)
	}
}

// TestHTTPStepTimeout: the step's timeout ends the wait for an answer, and for the end of
// an answer.
func TestHTTPStepTimeout(t *testing.T) {
	stop := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			io.WriteString(w, "x")
			w.(http.Flusher).Flush()
		}
		<-stop
	}))
	defer server.Close()
	defer close(stop)
	for _, path := range []string{"/head", "/body"} {
		b := newBench(t, hook("- {name: a, http: \""+server.URL+path+"\", timeout: 300ms}\n"))
		began := time.Now()
		rec := b.expect(state.TimedOut, "a timed_out")
		testutil.Within(t, time.Since(began), 300*time.Millisecond, 10*time.Second)
		if rec.Reason != "step a: timed out after its timeout of 300ms" {
			t.Errorf("reason %q", rec.Reason)
		}
	}
}

// TestHTTPStepRetries: the server starts later.
func TestHTTPStepRetries(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) < 3 {
			w.WriteHeader(502)
		}
	}))
	defer server.Close()
	b := newBench(t, hook("- {name: a, http: \""+server.URL+"\", retries: 5, backoff: 1ms}\n"))
	if rec := b.expect(state.Succeeded, "a succeeded"); rec.Steps[0].Attempt != 3 || asked.Load() != 3 {
		t.Errorf("attempt %d, asked %d times", rec.Steps[0].Attempt, asked.Load())
	}
}

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

// mainProcess is a fake of what agent/mainprocess finds.
type mainProcess struct {
	signals  []syscall.Signal
	err      error
	identity atomic.Pointer[state.MainIdentity]
	exit     chan struct{}
}

func newMainProcess() *mainProcess {
	p := &mainProcess{exit: make(chan struct{})}
	p.identity.Store(&state.MainIdentity{PID: 7, StartTime: 1})
	return p
}

func (p *mainProcess) Signal(sig syscall.Signal) error {
	p.signals = append(p.signals, sig)
	return p.err
}
func (p *mainProcess) Identity() *state.MainIdentity { return p.identity.Load() }
func (p *mainProcess) WaitExit(ctx context.Context, began *state.MainIdentity) error {
	if p.err != nil {
		return p.err
	}
	if now := p.Identity(); began != nil && *began != *now {
		return &GoneError{Why: "process 7 has exited already"}
	}
	select {
	case <-p.exit:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

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

// TestUser runs programs as other users, without root's groups.
func TestUser(t *testing.T) {
	testutil.NeedRoot(t, "become another user")
	b := newBench(t, hook(`
- {name: both, exec: [sh, -c, "id -u; id -g; id -G"], user: "12345:23456"}
- {name: number, exec: [sh, -c, "id -u; id -g; id -G"], user: 12345}
- {name: name, exec: [sh, -c, "id -un; id -gn; id -Gn"], user: nobody}
- {name: own, exec: [id, -u]}
- {name: denied, exec: [sh, -c, "echo x >DIR/x"], user: nobody, onFailure: continue}
- {name: gone, exec: ["true"], user: no-such-user}
`))
	rec := b.expect(state.Failed, "both succeeded", "number succeeded", "name succeeded", "own succeeded", "denied failed", "gone failed")
	want := "both: 12345\nboth: 23456\nboth: 23456\nnumber: 12345\nnumber: 12345\nnumber: 12345\nname: nobody\nname: nogroup\nname: nogroup\nown: 0\n"
	if !strings.HasPrefix(b.out.text(), want) {
		t.Errorf("got\n%s\nwant\n%s", b.out.text(), want)
	}
	contains(t, rec.Steps[5].Error, `user "no-such-user" is not in /etc/passwd`)
}

// TestUserEnvironment: a program gets the home of its own user, not root's.
func TestUserEnvironment(t *testing.T) {
	testutil.NeedRoot(t, "become another user")
	const show = `exec: [sh, -c, 'echo "$HOME $${USER-none} $${LOGNAME-none}"']`
	b := newBench(t, hook(strings.ReplaceAll(`
- {name: own, SHOW}
- {name: name, SHOW, user: nobody}
- {name: number, SHOW, user: 65534}
- {name: group, SHOW, user: "65534:7"}
- {name: unknown, SHOW, user: 54321}
- {name: given, SHOW, user: nobody, env: {HOME: /srv, USER: me}}
`, "SHOW", show)), func(o *Options) {
		o.Environ = []string{"HOME=/root", "USER=root", "LOGNAME=root", "PATH=" + os.Getenv("PATH")}
	})
	b.expect(state.Succeeded, "own succeeded", "name succeeded", "number succeeded", "group succeeded", "unknown succeeded", "given succeeded")
	want := `own: /root root root
name: /nonexistent nobody nobody
number: /nonexistent nobody nobody
group: /nonexistent nobody nobody
unknown: / none none
given: /srv me nobody`
	if got := b.out.text(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
