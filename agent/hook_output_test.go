package agent

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/internal/testutil"
)

const (
	firstToken  = "first-token-of-the-test"
	secondToken = "second-token-of-the-test"
)

// withTokens sets a file with tokens, one per line.
func withTokens(text string) choice {
	return func(w *world) {
		file := filepath.Join(w.dir, "tokens")
		w.write(file, text)
		w.agent.Settings.TokenFile = settings.Path(file)
	}
}

// ask sends a request with one header, which may be "", past the listener.
func (w *world) ask(method, path, header, value string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, path, nil)
	if header != "" {
		req.Header.Set(header, value)
	}
	answer := httptest.NewRecorder()
	w.agent.Handler().ServeHTTP(answer, req)
	return answer
}

// The output of a hook is for those who have a token.
func TestOutputNeedsAToken(t *testing.T) {
	w := serving(t, "hooks: {own: {steps: [{exec: [echo, hello]}]}, other: {}}", withTokens(firstToken+"\n\n"+secondToken+"\n"))
	if a := w.ask("POST", "/hooks/own", "X-Podhook-Token", firstToken); a.Code != 200 {
		t.Fatalf("the hook is answered %d %s", a.Code, a.Body)
	}
	for _, c := range []struct {
		path, header, value string
		status              int
		want                string
	}{
		{"/hooks/own/output", "Authorization", "Bearer " + firstToken, 200, " stdout hello\n"},
		{"/hooks/own/output", "X-Podhook-Token", secondToken, 200, " stdout hello\n"},
		{"/hooks/own/output", "", "", 401, "a token is needed"},
		{"/hooks/own/output", "Authorization", "Bearer ", 401, "a token"},
		{"/hooks/own/output", "Authorization", "Bearer " + firstToken + " " + secondToken, 401, "the token is not one"},
		{"/hooks/own/output", "Authorization", "Basic " + firstToken, 401, "a token is needed"},
		{"/hooks/none/output", "Authorization", "Bearer wrong", 401, "the token is not one"},
		{"/hooks/none/output", "Authorization", "Bearer " + firstToken, 404, `there is no hook \"none\"`},
		{"/hooks/other/output", "Authorization", "Bearer " + firstToken, 404, "hook other has not run"},
	} {
		a := w.ask("GET", c.path, c.header, c.value)
		if a.Code != c.status || !strings.Contains(a.Body.String(), c.want) {
			t.Errorf("%s with %s: %s is %d %s, want %d and %q", c.path, c.header, c.value, a.Code, a.Body, c.status, c.want)
		}
		if challenge := a.Header().Get("WWW-Authenticate"); (challenge == "Bearer") != (c.status == 401) {
			t.Errorf("%d has the challenge %q", c.status, challenge)
		}
	}
	w = serving(t, "hooks: {}")
	if a := w.ask("GET", "/hooks/shutdown/output", "X-Podhook-Token", firstToken); a.Code != http.StatusForbidden || !strings.Contains(a.Body.String(), "set PODHOOK_TOKEN_FILE") {
		t.Errorf("without a file: %d %s", a.Code, a.Body)
	}
}

// A rotation needs no restart; a broken file changes nothing.
func TestTokensAreReadAgain(t *testing.T) {
	w := serving(t, "hooks: {own: {}}", withTokens(firstToken))
	file := string(w.agent.Settings.TokenFile)
	code := func(token string) int { return w.ask("POST", "/hooks/own", "Authorization", "Bearer "+token).Code }
	replace := func(text string) {
		w.write(file+".new", text)
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	replace(secondToken)
	testutil.Eventually(t, "the new token is valid", func() bool { return code(secondToken) == 200 })
	if got := code(firstToken); got != 401 {
		t.Errorf("a token that is gone gets %d", got)
	}
	for n, text := range []string{secondToken + " # the old key", "\n", strings.Repeat(secondToken+"\n", 5000), "short"} {
		replace(text)
		testutil.Eventually(t, "the broken file is noticed", func() bool {
			return code(secondToken) == 200 && w.logs.count("level=ERROR", "tokens not read, the last good value stays in force") == n+1
		})
		if strings.Contains(w.logs.String(), secondToken) || strings.Contains(w.logs.String(), "short") {
			t.Error("the log has a token")
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "the missing file is noticed", func() bool { return code(secondToken) == 200 && w.logs.count("no such file") == 1 })
	if n := w.logs.count("tokens read again"); n != 1 {
		t.Errorf("%d entries about a good file, want 1", n)
	}
}
