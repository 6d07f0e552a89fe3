package agent

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// A page cannot make a browser run a hook; it can be looked at, and others can call.
func TestBrowsersRunNoHook(t *testing.T) {
	w := serving(t, "hooks: {own: {paths: [/api/own], steps: [{exec: [sh, -c, 'echo run >>$DIR/own']}]}}")
	ask := func(path, header, value string) *httptest.ResponseRecorder {
		req := httptest.NewRequest("POST", path, nil)
		req.Header.Set(header, value)
		answer := httptest.NewRecorder()
		w.agent.Handler().ServeHTTP(answer, req)
		return answer
	}
	for header, value := range map[string]string{
		"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site", "User-Agent": "Mozilla/5.0 (X11; Linux x86_64)",
	} {
		for _, path := range []string{"/hooks/own", "/api/own", "/shutdown", "/prestart?force=true"} {
			if a := ask(path, header, value); a.Code != 403 || !strings.Contains(a.Body.String(), "a browser may not run hooks") {
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
	if a := ask("/hooks/own", "Sec-Fetch-Site", "none"); a.Code != 200 {
		t.Errorf("another caller gets %d %s", a.Code, a.Body)
	}
}
