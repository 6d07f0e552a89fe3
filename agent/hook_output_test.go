package agent

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/podhook/podhook/agent/settings"
)

// The output of a hook is for those who have a token, also during a rotation.
func TestOutputNeedsAToken(t *testing.T) {
	file := t.TempDir() + "/tokens"
	w := serving(t, "hooks: {own: {steps: [{exec: [echo, hello]}]}, other: {}}", set(func(s *settings.Settings) { s.TokenFile = settings.Path(file) }))
	w.write(file, "first\nsecond\n")
	w.is("/hooks/own", 200)
	ask := func(path, header, value string) *httptest.ResponseRecorder {
		req := httptest.NewRequest("GET", path, nil)
		if header != "" {
			req.Header.Set(header, value)
		}
		answer := httptest.NewRecorder()
		w.agent.Handler().ServeHTTP(answer, req)
		return answer
	}
	for _, c := range []struct {
		path, header, value string
		status              int
		want                string
	}{
		{"/hooks/own/output", "Authorization", "Bearer first", 200, " stdout hello\n"},
		{"/hooks/own/output", "X-Podhook-Token", "second", 200, " stdout hello\n"},
		{"/hooks/own/output", "", "", 401, "a token of PODHOOK_TOKEN_FILE is needed"},
		{"/hooks/own/output", "Authorization", "Bearer ", 401, "a token"},
		{"/hooks/own/output", "Authorization", "Bearer first second", 401, "a token"},
		{"/hooks/own/output", "Authorization", "Basic first", 401, "a token"},
		{"/hooks/none/output", "Authorization", "Bearer wrong", 401, "a token"},
		{"/hooks/none/output", "Authorization", "Bearer first", 404, `there is no hook \"none\"`},
		{"/hooks/other/output", "Authorization", "Bearer first", 404, "hook other has not run"},
	} {
		if a := ask(c.path, c.header, c.value); a.Code != c.status || !strings.Contains(a.Body.String(), c.want) {
			t.Errorf("%s with %s: %s is %d %s, want %d and %q", c.path, c.header, c.value, a.Code, a.Body, c.status, c.want)
		}
	}
	w.write(file, "third\n")
	if a := ask("/hooks/own/output", "Authorization", "Bearer first"); a.Code != http.StatusUnauthorized {
		t.Errorf("a token that is gone gets %d", a.Code)
	}
	if a := ask("/hooks/own/output", "Authorization", "Bearer third"); a.Code != http.StatusOK {
		t.Errorf("a new token gets %d", a.Code)
	}
	for name, text := range map[string]string{"a remark": "third # the old key\n", "nothing": "\n", "too much": strings.Repeat("x\n", maxTokens)} {
		w.write(file, text)
		if _, err := Tokens(file); err == nil {
			t.Errorf("%s is taken for tokens", name)
		}
		for _, token := range []string{"third", "old", "x"} {
			if a := ask("/hooks/own/output", "Authorization", "Bearer "+token); a.Code != http.StatusUnauthorized {
				t.Errorf("%s: %s gets %d", name, token, a.Code)
			}
		}
	}
	if n := w.logs.count("level=ERROR", "tokens not read"); n != 1 {
		t.Errorf("%d entries about broken tokens, want 1 in 10 s", n)
	}
	w.agent.Settings.TokenFile = ""
	if a := ask("/hooks/own/output", "Authorization", "Bearer third"); a.Code != http.StatusForbidden || !strings.Contains(a.Body.String(), "set PODHOOK_TOKEN_FILE") {
		t.Errorf("without a file: %d %s", a.Code, a.Body)
	}
}
