package agent

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/podhook/podhook/agent/access"
	"github.com/podhook/podhook/agent/settings"
)

// No page can make a browser run a hook; it can look.
func TestBrowsersRunNoHook(t *testing.T) {
	w := serving(t, "hooks: {own: {paths: [/api/own], steps: [{exec: [sh, -c, 'echo run >>$DIR/own']}]}}")
	for header, value := range map[string]string{
		"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site", "User-Agent": "Mozilla/5.0 (X11; Linux x86_64)",
	} {
		for _, path := range []string{"/hooks/own", "/api/own", "/shutdown", "/prestart?force=true", "/hooks/own?wait=no"} {
			if a := w.ask("POST", path, header, value); a.Code != 403 || !strings.Contains(a.Body.String(), "a browser may not run hooks") {
				t.Errorf("%s: %s gets %d %s from %s", header, value, a.Code, a.Body, path)
			}
		}
	}
	if got := w.lines("own"); len(got) != 0 {
		t.Errorf("a browser has run the hook %d times", len(got))
	}
	if r, err := w.do("GET", "/status", "Mozilla/5.0"); err != nil || r.status != 200 {
		t.Errorf("a browser gets %d, %v for /status", r.status, err)
	}
	if a := w.ask("POST", "/hooks/own", "Sec-Fetch-Site", "none"); a.Code != 200 {
		t.Errorf("another caller gets %d %s", a.Code, a.Body)
	}
}

// A refused call runs nothing, is answered also for kubelet, and does not count as the
// preStop that a stopped agent waits for.
func TestRefusedCallRunsNothing(t *testing.T) {
	w := serving(t, "hooks: {own: {paths: [/api/own], steps: [{exec: [sh, -c, 'echo run >>$DIR/own']}]}, shutdown: {steps: [{exec: [sh, -c, 'echo run >>$DIR/own']}]}}", withTokens(firstToken))
	for _, path := range []string{"/hooks/own", "/api/own", "/shutdown", "/shutdown?force=true", "/shutdown?wait=false", "/hooks/none"} {
		r, err := w.do("GET", path, kubelet)
		if err != nil || r.status != http.StatusUnauthorized {
			t.Errorf("%s: kubelet gets %d, %v", path, r.status, err)
		}
	}
	if n := len(w.lines("own")); n != 0 {
		t.Errorf("refused calls have run %d hooks", n)
	}
	if !w.agent.shutdownCalls.last.IsZero() {
		t.Error("a refused call counts as an answered call of shutdown")
	}
	body := w.is("/metrics", 200)
	if !strings.Contains(body, `podhook_http_refused_total{class="act",reason="no_credential"} 6`+"\n") || !strings.Contains(body, "podhook_access_open 0\n") {
		t.Errorf("the metrics are\n%s", body)
	}
	if n := w.logs.count("level=WARN", "request refused", "as kubelet", "path=/hooks/own", "class=act", "reason=no_credential"); n != 1 {
		t.Errorf("%d entries about refusals, want 1 in 10 s:\n%s", n, w.logs)
	}
	if n := w.logs.count("request refused"); n != 1 {
		t.Errorf("%d entries about refusals, want 1 in 10 s", n)
	}
	if a := w.ask("GET", "/hooks/own", "X-Podhook-Token", "wrong"); a.Code != 401 {
		t.Errorf("a wrong token gets %d", a.Code)
	}
	if n := w.logs.count("request refused", "reason=wrong_token"); n != 1 {
		t.Error("another reason is not logged because of the first one")
	}
	if a := w.ask("GET", "/hooks/own", "X-Podhook-Token", firstToken); a.Code != 200 || len(w.lines("own")) != 1 {
		t.Errorf("the token gets %d %s", a.Code, a.Body)
	}
}

// The body of a refused call is not read: it may never come.
func TestRefusedBodyIsNotRead(t *testing.T) {
	w := serving(t, "hooks: {}", withTokens(firstToken))
	conn := w.dial()
	say(t, conn, "POST /shutdown HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n")
	if got := status(t, conn); got != 401 {
		t.Errorf("answered %d", got)
	}
}

func TestForceNeedsAToken(t *testing.T) {
	w := serving(t, "hooks: {own: {steps: [{exec: [sh, -c, 'echo run >>$DIR/own']}]}}")
	w.is("/hooks/own", 200)
	if body := w.is("/hooks/own?force=true", 403); !strings.Contains(body, "podhook hook NAME --force in the container") {
		t.Errorf("answered %s", body)
	}
	w.is("/hooks/own?force=false", 200)
	if n := len(w.lines("own")); n != 1 {
		t.Errorf("the hook was run %d times", n)
	}
}

// Without a token /status and the answer of a call have no output, and nothing that a
// reason quotes.
func TestStatusWithoutATokenHasNoOutput(t *testing.T) {
	const secret = "hunter2"
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("m " + secret + "\n")) }))
	defer other.Close()
	yaml := "hooks: {own: {steps: [{name: say, exec: [echo, " + secret + "]}, {name: look, timeout: 300ms, wait: {metric: {url: '" + other.URL + "', name: m, atMost: 0}}}]}}"
	w := serving(t, yaml, trusted)
	whole := w.get("/hooks/own").body + w.is("/status", 200)
	if strings.Count(whole, secret) < 2 {
		t.Fatalf("the test shows nothing: %s", whole)
	}
	public := w.ask("GET", "/status", "X-Podhook-Token", "wrong")
	var st Status
	if err := json.Unmarshal(public.Body.Bytes(), &st); err != nil || public.Code != 200 {
		t.Fatal(public.Code, err)
	}
	if strings.Contains(public.Body.String(), secret) {
		t.Errorf("everybody reads %s", public.Body)
	}
	if !strings.Contains(st.Withheld, "token") || !strings.Contains(public.Body.String(), `\"...\"`) || !strings.Contains(public.Body.String(), `"outcome":"timed_out"`) {
		t.Errorf("/status is %s", public.Body)
	}
	w.agent.Settings.Token = "" // do sends none
	w.agent.Access = mustAccess(t, w.agent.Settings)
	if body := w.get("/hooks/own").body; strings.Contains(body, secret) || !strings.Contains(body, `\"...\"`) {
		t.Errorf("the answer of a call is %s", body)
	}
}

func mustAccess(t *testing.T, s *settings.Settings) *access.Access {
	t.Helper()
	a, err := NewAccess(s, nil)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestUnquoted(t *testing.T) {
	for text, want := range map[string]string{
		"exited with code 3":          "exited with code 3",
		`"x" is not a value`:          `"..." is not a value`,
		`a "b\"c" and "d" and "e\\"f`: `a "..." and "..." and "..."f`,
		`cut in the middle "of it`:    `cut in the middle "..."`,
	} {
		if got := unquoted(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// Nothing acts at the second address; kubelet, which was told the wrong port, fails.
func TestMetricsAddressOnlyReads(t *testing.T) {
	w := newWorld(t, "hooks: {own: {paths: [/api/own], steps: [{exec: [sh, -c, 'echo run >>$DIR/own']}]}}", trusted)
	w.listen(w.agent.server(w.agent.MetricsHandler()))
	for path, want := range map[string]int{"/livez": 200, "/readyz": 200, "/healthz": 200, "/status": 200, "/metrics": 200, "/": 200,
		"/hooks/own/output": 404, "/prestart": 404, "/shutdown": 404, "/hooks/own": 404, "/hooks/own?force=true": 404, "/api/own": 404} {
		w.is(path, want)
	}
	if r, err := w.do("POST", "/hooks/own", ""); err != nil || r.status != 404 || !strings.Contains(r.body, "hooks are called at the address of PODHOOK_LISTEN") || strings.Contains(r.body, `"/shutdown"`) {
		t.Errorf("POST gets %d %s, %v", r.status, r.body, err)
	}
	if _, err := w.do("GET", "/shutdown", kubelet); err == nil {
		t.Error("kubelet gets an answer, which it takes for success")
	}
	if n := len(w.lines("own")); n != 0 {
		t.Errorf("%d hooks were run", n)
	}
}

func TestOpenAddressIsWarnedOf(t *testing.T) {
	for name, c := range map[string]struct {
		address, metrics string
		choices          []choice
		open             bool
	}{
		"all addresses":  {"0.0.0.0:0", "", nil, true},
		"loopback":       {"127.0.0.1:0", "", nil, false},
		"a token":        {"0.0.0.0:0", "", []choice{trusted}, false},
		"metrics alone":  {"", "0.0.0.0:0", nil, false},
		"loopback, both": {"127.0.0.1:0", "0.0.0.0:0", nil, false},
	} {
		w := newWorld(t, "hooks: {}", c.choices...)
		doors, err := OpenDoors(w.agent.Settings, w.agent.Logger, c.address, c.metrics)
		if err != nil {
			t.Fatal(err)
		}
		beside := w.agent.Start(doors)
		beside.Leave()
		if n := w.logs.count("level=WARN", "everybody who reaches this address can run hooks"); (n == 1) != c.open || n > 1 {
			t.Errorf("%s: %d warnings", name, n)
		}
		if w.agent.accessOpen.Load() != c.open {
			t.Errorf("%s: the metric says %v", name, !c.open)
		}
		if n := w.logs.count("level=INFO", "agent listens"); n != 1 {
			t.Errorf("%s: %d entries", name, n)
		}
	}
}
