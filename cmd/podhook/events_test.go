package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/internal/testutil"
)

// kubeEvents are the Events that an API server gets. deploy/kubernetes/prove tests their form.
type kubeEvents struct {
	*podSandbox
	mu   sync.Mutex
	sent []string // method, reason, the uid that it is about, and the note
	text string   // everything
}

// newKubeEvents has a prestart and a shutdown that fail. handler answers instead, if it is not nil.
func newKubeEvents(t *testing.T, mode string, handler http.HandlerFunc) *kubeEvents {
	t.Helper()
	k := &kubeEvents{}
	failing := func(hook string) string {
		return fmt.Sprintf(`  %s: {steps: [{name: fail, exec: [sh, -c, 'echo "the end of %s"; exit 3']}]}`+"\n", hook, hook)
	}
	yaml := "hooks:\n" + failing("prestart") + failing("shutdown") + failing("broken") +
		"  good: {steps: [{sleep: 1ms}]}\n  slow: {timeout: 100ms, steps: [{sleep: 1h}]}\n" +
		"  leaky: {steps: [{http: {url: 'http://127.0.0.1:1/?token=" + secret + "', headers: {A: " + secret + "}, body: " + secret + "}}]}\n"
	k.podSandbox = newAPISandbox(t, yaml, func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil || !strings.HasPrefix(req.URL.Path, "/apis/events.k8s.io/v1/namespaces/shop/events") {
			t.Error(req.URL, err)
		}
		if handler != nil {
			handler(w, req)
			return
		}
		var e struct {
			Reason, Note string
			Regarding    struct{ UID string }
			Series       struct{ Count int }
		}
		if err := json.Unmarshal(body, &e); err != nil {
			t.Error(err)
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		k.text += string(body)
		if req.Method == http.MethodPatch {
			k.sent = append(k.sent, fmt.Sprint("count ", e.Series.Count))
			return
		}
		_, last, _ := strings.Cut(e.Note, "\n")
		k.sent = append(k.sent, fmt.Sprintf("%s %s %s", e.Reason, e.Regarding.UID, last))
		w.WriteHeader(http.StatusCreated)
	}, "PODHOOK_EVENTS="+mode, "PODHOOK_POD_UID=0c-ff-ee", "PODHOOK_TOKEN="+secret+"-and-some-more")
	return k
}

func (k *kubeEvents) all() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return strings.Join(k.sent, "\n")
}

func (k *kubeEvents) are(want ...string) {
	k.t.Helper()
	if got := k.all(); got != strings.Join(want, "\n") {
		k.t.Errorf("got\n%s\nwant\n%s\nlog: %s", got, strings.Join(want, "\n"), k.read("log"))
	}
}

// The Event of an exec'd hook is sent before kubelet gets the answer.
func TestEventsOfExecHooks(t *testing.T) {
	t.Parallel()
	k := newKubeEvents(t, "all", nil)
	l := k.contained([]string{"sleep", "1000"}, mounting...)
	for hook, code := range map[string]int{"broken": 1, "good": 0, "slow": 124} {
		before := len(k.all())
		if e := l.exec("hook", hook); e.code != code {
			t.Error(e)
		}
		got := k.all()[before:]
		want := map[string]string{"broken": "PodhookHookFailed 0c-ff-ee the end of broken", "good": "PodhookHookSucceeded 0c-ff-ee ", "slow": "PodhookHookTimedOut 0c-ff-ee "}
		if strings.Trim(got, "\n") != want[hook] {
			t.Errorf("%s: %q", hook, got)
		}
	}
	if e := l.exec("hook", "good"); e.code != 0 || strings.Count(k.all(), "\n") != 2 { // has succeeded already
		t.Errorf("%v\n%s", e, k.all())
	}
}

// An Event has nothing of the environment, of headers, of the secrets of a URL, of what is
// masked, and of what a quiet step prints.
func TestEventsHaveNoSecrets(t *testing.T) {
	t.Parallel()
	k := newKubeEvents(t, "failures", nil)
	l := k.contained([]string{"sleep", "1000"}, mounting...)
	if e := l.exec("hook", "leaky"); e.code != 1 {
		t.Error(e)
	}
	contains(t, k.text, "connection refused")
	k.configure(fmt.Sprintf("mask: [%s]\nhooks:\n  masked: {steps: [{exec: [sh, -c, 'echo pass=$(cat %[1]s); exit 3']}]}\n  quiet: {steps: [{quiet: true, exec: [sh, -c, 'echo %[2]s; exit 4']}]}\n",
		k.write("secrets", secret+"\n", 0o600), secret))
	for _, hook := range []string{"masked", "quiet"} {
		if e := l.exec("hook", hook); e.code != 1 {
			t.Error(e)
		}
	}
	contains(t, k.text, "pass=***", "exited with code 4")
	if strings.Contains(k.text, secret) || strings.Contains(k.text, "a-token") {
		t.Error(k.text)
	}
}

// podhook run that ends because prestart has failed sends its Event first.
func TestEventOfAPrestartUnderRun(t *testing.T) {
	t.Parallel()
	k := newKubeEvents(t, "failures", nil)
	l := k.contained([]string{k.binary, "run", "--", "sleep", "1000"}, mounting...)
	l.ends(1)
	k.are("PodhookHookFailed 0c-ff-ee the end of prestart")
}

// What fails at the end of podhook run is sent before it leaves.
func TestEventsAtTheEndOfRun(t *testing.T) {
	t.Parallel()
	k := newKubeEvents(t, "failures", nil)
	k.configure(strings.ReplaceAll(k.read("podhook.yaml"), "prestart", "poststop"))
	l := k.served()
	l.send(syscall.SIGTERM)
	l.ends(serverCode)
	k.are("PodhookHookFailed 0c-ff-ee the end of shutdown", "PodhookHookFailed 0c-ff-ee the end of poststop")
}

// podhook serve counts repeats in one Event, shows how many requests it has made, and sends the
// Event of shutdown before it leaves.
func TestEventsUnderServe(t *testing.T) {
	t.Parallel()
	k := newKubeEvents(t, "failures", nil)
	l := k.contained([]string{k.binary, "serve"}, mounting...)
	req, err := http.NewRequest(http.MethodGet, "http://"+l.agent()+"/hooks/broken", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Podhook-Token", secret+"-and-some-more")
	client := http.Client{Timeout: testutil.Patience}
	defer client.CloseIdleConnections()
	for range 4 {
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 500 {
			t.Error(resp.Status)
		}
	}
	sent := regexp.MustCompile(`podhook_events_total\{outcome="failed"\} 0\npodhook_events_total\{outcome="sent"\} [1-9]`)
	testutil.Eventually(t, "the first is counted", func() bool {
		resp, err := client.Get("http://" + l.agent() + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return sent.Match(body)
	})
	l.send(syscall.SIGTERM)
	l.ends(0)
	got := k.all()
	contains(t, got, "count 4", "PodhookHookFailed 0c-ff-ee the end of shutdown")
	if strings.Count(got, "PodhookHookFailed 0c-ff-ee the end of broken") != 1 {
		t.Error(got)
	}
	if strings.Contains(k.text, secret) || strings.Contains(k.text, "a-token") {
		t.Error(k.text)
	}
}

// An API server that hangs or refuses is waited for at most 2 s, once, and costs one line of
// the log.
func TestEventsThatAreNotSent(t *testing.T) {
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		least   time.Duration
		why     string
	}{
		"hangs":     {func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() }, 1500 * time.Millisecond, "no answer within 1.5s"},
		"forbidden": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }, 0, "needs the Role"},
	} {
		for how, argv := range map[string][]string{"exec": nil, "run": {"run", "--", "sleep", "1000"}, "serve": {"serve"}} {
			t.Run(name+"/"+how, func(t *testing.T) {
				t.Parallel()
				k := newKubeEvents(t, "failures", c.handler)
				began := time.Now()
				if argv == nil {
					l := k.contained([]string{"sleep", "1000"}, mounting...)
					began = time.Now()
					if e := l.exec("hook", "broken"); e.code != 1 {
						t.Error(e)
					}
				} else {
					l := k.contained(append([]string{k.binary}, argv...), mounting...)
					code := 1
					if how == "serve" {
						l.agent()
						began, code = time.Now(), 0
						l.send(syscall.SIGTERM)
					}
					l.ends(code)
				}
				testutil.Within(t, time.Since(began), c.least, c.least+10*time.Second)
				if text := k.read("log"); strings.Count(text, "Event not sent") != 1 || !strings.Contains(text, c.why) || strings.Contains(text, "a-token") {
					t.Errorf("log: %s", text)
				}
				if n := k.asked.Load(); n != 1 {
					t.Errorf("asked %d times", n)
				}
			})
		}
	}
}

// An exec'd shutdown that has used up its part of the grace period leaves the rest to the main
// process, however slow the API server is.
func TestEventLeavesTheGracePeriodAlone(t *testing.T) {
	t.Parallel()
	k := newKubeEvents(t, "failures", func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() })
	k.env = append(k.env, "PODHOOK_GRACE_PERIOD=1s", "PODHOOK_GRACE_MARGIN=200ms")
	l := k.contained([]string{"sleep", "1000"}, mounting...)
	e := l.exec("shutdown")
	if e.code != 1 {
		t.Error(e)
	}
	contains(t, k.read("log"), "no answer before podhook ends")
}

// What keeps Events from being sent is known at the start.
func TestEventsWithoutServiceAccount(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, reasonedHooks, "PODHOOK_EVENTS=failures")
	l := s.served()
	contains(t, s.read("log"), "PODHOOK_EVENTS: no Event will be sent", "this is no Pod", "set PODHOOK_POD_UID to metadata.uid")
	if found := s.checkOf(0); len(found) != 1 || !strings.Contains(found[0], "set PODHOOK_POD_UID to metadata.uid") {
		t.Errorf("check finds %q", found)
	}
	l.send(syscall.SIGTERM)
	l.ends(serverCode)
}
