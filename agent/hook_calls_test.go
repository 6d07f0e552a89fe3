package agent

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/internal/testutil"
)

// outcomes has a hook for each way to end.
const outcomes = `
hooks:
  prestart:
    steps:
    - exec: [sh, -c, 'echo run >>$DIR/prestart']
  shutdown:
    paths: [/api/shutdown, /stop/]
    steps:
    - exec: [sh, -c, 'echo run >>$DIR/shutdown; sleep 0.3']
  broken:
    paths: [/api/broken]
    steps:
    - {name: bad, exec: [sh, -c, 'echo "<no table>"; echo run >>$DIR/broken; exit 3']}
  slow:
    timeout: 300ms
    steps:
    - exec: [sleep, "30"]
`

func TestHookPaths(t *testing.T) {
	w := serving(t, outcomes)
	for path, hook := range map[string]string{
		"/prestart": "prestart", "/hooks/prestart": "prestart", "/shutdown": "shutdown", "/hooks/shutdown": "shutdown",
		"/api/shutdown": "shutdown", "/stop/": "shutdown", "/shutdown?drain=1&x=%2F": "shutdown",
	} {
		for _, method := range []string{"GET", "POST"} {
			r, err := w.do(method, path, "")
			if err != nil {
				t.Fatal(err)
			}
			a := r.run(t)
			if r.status != 200 || a.Hook != hook || a.Outcome != state.Succeeded || a.Trigger != state.TriggerHTTP || a.Run == "" {
				t.Errorf("%s %s is %d %s", method, path, r.status, r.body)
			}
			if r.header.Get("Content-Type") != "application/json" || r.header.Get("Content-Length") != fmt.Sprint(len(r.body)) {
				t.Errorf("%s %s has the headers %v for %d bytes", method, path, r.header, len(r.body))
			}
		}
	}
	for _, hook := range []string{"prestart", "shutdown"} {
		if got := w.lines(hook); len(got) != 1 {
			t.Errorf("%s was run %d times in one instance", hook, len(got))
		}
	}
}

func TestAnswersOfOutcomes(t *testing.T) {
	w := serving(t, outcomes, trusted)
	first := w.get("/prestart").run(t)
	if first.Already || first.Joined {
		t.Errorf("the first call answers %+v", first)
	}
	if again := w.get("/prestart").run(t); !again.Already || again.Run != first.Run {
		t.Errorf("the second call answers %+v, want already, of run %s", again, first.Run)
	}
	if forced := w.get("/prestart?force=true").run(t); forced.Already || forced.Run == first.Run {
		t.Errorf("a forced call answers %+v", forced)
	}
	failed := w.is("/hooks/broken", 500)
	if !strings.Contains(failed, `"outcome":"failed"`) || !strings.Contains(failed, `"reason":"step bad: exited with code 3"`) {
		t.Errorf("a failed hook answers %s", failed)
	}
	began := time.Now()
	late := w.is("/hooks/slow", 504)
	testutil.Within(t, time.Since(began), 300*time.Millisecond, 8*time.Second) // it would sleep 30s
	if !strings.Contains(late, `"outcome":"timed_out"`) {
		t.Errorf("a hook that timed out answers %s", late)
	}
	if body := w.is("/hooks/none", 404); !strings.Contains(body, `there is no hook \"none\"; there are broken, poststop, prestart, shutdown, slow`) {
		t.Errorf("an unknown hook answers %s", body)
	}
	if body := w.is("/shutdwon", 404); !strings.Contains(body, "there is nothing at /shutdwon, did you mean /shutdown?") || !strings.Contains(body, `"/api/broken"`) {
		t.Errorf("an unknown path answers %s", body)
	}
}

func TestQueries(t *testing.T) {
	w := serving(t, outcomes)
	for query, want := range map[string]string{
		"wait=maybe":             `wait: \"maybe\": allowed are true and false`,
		"wait":                   `wait: \"\": allowed are true and false`,
		"force=2":                `force: \"2\": allowed are true and false`,
		"forse=true":             `\"forse\": no such parameter, did you mean \"force\"?`,
		"Wait=false":             `\"Wait\": no such parameter, did you mean \"wait\"?`,
		"wait=true&wait=false":   "wait: given 2 times, once is allowed",
		"wait=false;force=true":  "the query cannot be read",
		"x=100%&wait=false":      "the query cannot be read",
		"wait=" + long("x", 900): `xxx...\": allowed`,
	} {
		if body := w.is("/hooks/broken?"+query, 400); !strings.Contains(body, want) {
			t.Errorf("?%.40s answers %s, want %s", query, body, want)
		}
	}
	if got := w.lines("broken"); len(got) != 0 {
		t.Errorf("bad queries have run the hook %d times", len(got))
	}
}

func long(s string, n int) string { return strings.Repeat(s, n) }

func TestCallThatDoesNotWait(t *testing.T) {
	w := serving(t, `{hooks: {shutdown: {steps: [{exec: [sh, -c, 'until [ -e $DIR/go ]; do sleep 0.02; done; echo done >$DIR/done']}]}}}`)
	began := time.Now()
	a := w.get("/shutdown?wait=false")
	first := a.run(t)
	if a.status != 202 || first.Outcome != state.Running || first.Joined || len(first.Run) != 16 {
		t.Errorf("the first call is %d %s, want 202, running and the run", a.status, a.body)
	}
	a = w.get("/shutdown?wait=false")
	if answer := a.run(t); a.status != 202 || !answer.Joined || answer.Run != first.Run {
		t.Errorf("the second call is %d %s, want 202, joined and the run %s", a.status, a.body, first.Run)
	}
	testutil.Within(t, time.Since(began), 0, 5*time.Second)
	w.write(w.dir+"/go", "")
	if answer := w.get("/shutdown").run(t); answer.Outcome != state.Succeeded {
		t.Errorf("the call that waits is answered %+v", answer)
	}
	if len(w.lines("done")) != 1 {
		t.Error("the hook was not run to its end")
	}
	a = w.get("/shutdown?wait=false")
	if answer := a.run(t); a.status != 200 || answer.Outcome != state.Succeeded || !answer.Already || answer.Run != first.Run {
		t.Errorf("a call after the success is %d %s, want 200, already and the run %s", a.status, a.body, first.Run)
	}
}

func TestMethods(t *testing.T) {
	w := serving(t, outcomes)
	for path, allow := range map[string]string{
		"/prestart": "GET, POST", "/shutdown": "GET, POST", "/hooks/broken": "GET, POST", "/api/broken": "GET, POST",
		"/livez": "GET, HEAD", "/readyz": "GET, HEAD", "/metrics": "GET, HEAD", "/status": "GET, HEAD",
	} {
		for _, method := range []string{"HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"} {
			if method == "HEAD" && allow == "GET, HEAD" {
				continue
			}
			r, err := w.do(method, path, "")
			if err != nil {
				t.Fatal(err)
			}
			if r.status != 405 || r.header.Get("Allow") != allow {
				t.Errorf("%s %s is %d, Allow %q; want 405, %q", method, path, r.status, r.header.Get("Allow"), allow)
			}
		}
	}
	if r, err := w.do("POST", "/status", ""); err != nil || r.status != 405 || r.header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST /status is %d, Allow %q, %v", r.status, r.header.Get("Allow"), err)
	}
	if r, err := w.do("BREW", "/coffee", ""); err != nil || r.status != 404 {
		t.Errorf("BREW /coffee is %d, %v", r.status, err)
	}
	if ran := append(w.lines("prestart"), append(w.lines("shutdown"), w.lines("broken")...)...); len(ran) != 0 {
		t.Error("HEAD or another method has run a hook")
	}
}

// HEAD is answered as GET, without the body, where GET only reads.
func TestHead(t *testing.T) {
	w := serving(t, outcomes)
	for path, status := range map[string]int{"/livez": 200, "/readyz": 503, "/status": 200, "/metrics": 200} {
		get, getErr := w.do("GET", path, "")
		head, headErr := w.do("HEAD", path, "")
		if getErr != nil || headErr != nil || get.status != status || head.status != status {
			t.Errorf("%s: GET is %d %v, HEAD %d %v, want %d", path, get.status, getErr, head.status, headErr, status)
			continue
		}
		length, err := strconv.Atoi(head.header.Get("Content-Length"))
		if err != nil || length == 0 || len(head.body) != 0 || head.header.Get("Content-Type") != get.header.Get("Content-Type") {
			t.Errorf("HEAD %s has %v and a body of %d bytes", path, head.header, len(head.body))
		}
	}
}

// kubelet takes any answer for a success, also that of a mistyped path
// (deploy/kubernetes/kubelet.md: answered 500).
func TestFailureReachesKubelet(t *testing.T) {
	w := serving(t, outcomes)
	for _, path := range []string{"/hooks/broken", "/api/broken", "/hooks/slow", "/hooks/none", "/shutdwon", "/prestart?wait=x", "/"} {
		if r, err := w.do("GET", path, kubelet); err == nil {
			t.Errorf("kubelet is answered %d to GET %s", r.status, path)
		}
		if path == "/" {
			continue // names what is there, for people
		}
		if r, err := w.do("GET", path, "curl/8 kube-lifecycle/1.34"); err != nil || r.status < 400 {
			t.Errorf("another caller gets %d %v to GET %s", r.status, err, path)
		}
	}
	if _, err := w.do("DELETE", "/shutdown", kubelet); err == nil {
		t.Error("kubelet is answered to DELETE /shutdown")
	}
	for _, path := range []string{"/prestart", "/shutdown", "/shutdown?wait=false"} {
		if r, err := w.do("GET", path, kubelet); err != nil || r.status/100 != 2 {
			t.Errorf("kubelet gets %d %v to GET %s", r.status, err, path)
		}
	}
}

// Go's client, which kubelet has, repeats a GET on a connection that was used
// before: there must be none, or a postStart makes preStop's failure count twice.
func TestFailedCallIsNotRepeatedByTheClient(t *testing.T) {
	w := serving(t, outcomes)
	client := http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for _, path := range []string{"/prestart", "/hooks/broken"} {
		req, err := http.NewRequest(http.MethodGet, w.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("User-Agent", kubelet)
		resp, err := client.Do(req)
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body) // so that the connection could be used again
			resp.Body.Close()
		}
		if (err == nil) != (path == "/prestart") {
			t.Fatalf("GET %s: %v", path, err)
		}
	}
	if runs := w.lines("broken"); len(runs) != 1 {
		t.Errorf("one call made %d runs", len(runs))
	}
}

func TestFailureByStatus(t *testing.T) {
	w := serving(t, outcomes, set(func(s *settings.Settings) { s.KubeletFailure = settings.Status }))
	for path, status := range map[string]int{"/hooks/broken": 500, "/hooks/slow": 504, "/nothing": 404} {
		if r, err := w.do("GET", path, kubelet); err != nil || r.status != status {
			t.Errorf("kubelet gets %d %v to GET %s, want %d", r.status, err, path, status)
		}
	}
}

// A caller that is refused is never treated as kubelet.
func TestRefusalIsAlwaysAnswered(t *testing.T) {
	for status, answered := range map[int]bool{200: true, 202: true, 400: false, 401: true, 403: true, 404: false, 500: false, 504: false} {
		refuse := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w, status, problem{"x"}) })
		w := &world{t: t, agent: &Agent{Settings: &settings.Settings{MaxConnections: 10}}}
		w.listen(&http.Server{Handler: kubeletFailure(settings.Abort, refuse)})
		r, err := w.do("GET", "/", kubelet)
		if (err == nil) != answered || answered && r.status != status {
			t.Errorf("%d: kubelet gets %d, %v", status, r.status, err)
		}
	}
}

// waiters are the callers that wait for a run now.
func waiters() int {
	stacks := make([]byte, 16<<20)
	return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "hooks.(*Flight).Wait(")
}

func TestThousandCallersGetOneRun(t *testing.T) {
	testutil.Slow(t)
	w := serving(t, `{hooks: {shutdown: {steps: [{exec: [sh, -c, 'echo run >>$DIR/runs; until [ -e $DIR/go ]; do sleep 0.05; done; exit 7']}]}}}`)
	const callers = 1000
	replies := make([]reply, callers)
	var all sync.WaitGroup
	began := time.Now()
	for i := range callers {
		all.Go(func() {
			var err error
			if replies[i], err = w.do("GET", "/shutdown", ""); err != nil {
				t.Error(err)
			}
		})
	}
	testutil.Eventually(t, "all callers have come", func() bool { return waiters() == callers })
	w.write(w.dir+"/go", "")
	all.Wait()
	testutil.Within(t, time.Since(began), 0, 40*time.Second)
	if runs := w.lines("runs"); len(runs) != 1 {
		t.Fatalf("%d callers made %d runs", callers, len(runs))
	}
	want, joined := replies[0].run(t), 0
	want.Joined = false
	for _, r := range replies {
		got := r.run(t)
		if got.Joined {
			joined++
		}
		got.Joined = false
		if r.status != 500 || got != want {
			t.Fatalf("one is answered %d %+v, another one %+v", r.status, got, want)
		}
	}
	if joined != callers-1 {
		t.Errorf("%d of %d callers have joined, want all but one", joined, callers)
	}
}

// Every body has its length, and is far below the 10 KiB that kubelet reads.
func TestBodyIsBounded(t *testing.T) {
	w := serving(t, `
hooks:
  many:
    steps:
    - {exec: [sh, -c, 'exec "$0"', "/`+long(`<\x01>`, 3)+long("<&>", 1300)+`"]}
  path:
    steps:
    - {workingDir: /`+long("<", 3000)+`, exec: ["true"]}
`)
	for _, path := range []string{"/hooks/many", "/hooks/path", "/hooks/" + long("<", 1200), "/" + long("%3C", 1200), "/hooks/many?wait=" + long("%00", 1200)} {
		r := w.get(path)
		if r.status < 400 || len(r.body) > maxBody || !json.Valid([]byte(r.body)) {
			t.Errorf("%.30s is answered %d with %d bytes: %.200s", path, r.status, len(r.body), r.body)
		}
	}
}

func TestDisabledBypasses(t *testing.T) {
	w := serving(t, outcomes, set(func(s *settings.Settings) { s.Disabled = true }))
	for _, path := range []string{"/prestart", "/shutdown", "/hooks/broken"} {
		if a := w.get(path).run(t); a.Outcome != state.Succeeded || !a.Bypassed || !strings.Contains(a.Reason, "PODHOOK_DISABLED") {
			t.Errorf("%s answers %+v", path, a)
		}
	}
	w.is("/readyz", 200)
	if got := append(w.lines("prestart"), w.lines("broken")...); len(got) != 0 {
		t.Error("a hook was run")
	}
}
