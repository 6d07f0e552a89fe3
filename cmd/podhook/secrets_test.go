package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/podhook/podhook/internal/testutil"
)

const secret = "hunter2"

// No step gets the text of the hooks, which has the headers of all steps. CMD gets the
// same environment as without podhook.
func TestConfigurationTextIsForNoStep(t *testing.T) {
	const show = `exec: [sh, -c, 'env >>"$DIR/$PODHOOK_HOOK"']`
	s := newSandbox(t, "")
	user := ""
	if os.Geteuid() == 0 {
		user = ", user: 65534"
		for _, name := range []string{"prestart", "shutdown"} {
			s.write(name, "", 0o666)
			if err := os.Chmod(s.path(name), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		for _, dir := range []string{s.dir, filepath.Dir(s.dir)} {
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	yaml := fmt.Sprintf("hooks:\n  prestart: {steps: [{%s%s}]}\n  shutdown: {steps: [{%s%s}]}\n  other: {steps: [{http: {url: 'http://h', headers: {A: %s}}}]}\n", show, user, show, user, secret)
	s.env = append(s.env, "PODHOOK_CONFIG_YAML="+yaml)
	s.expect(0, "prestart")
	e := s.expect(143, "run", "--prestart=off", "--", "sh", "-c", `printf %s "$PODHOOK_CONFIG_YAML" >"$DIR/cmd"; kill -TERM $PPID; exec sleep 100`)
	for _, hook := range []string{"prestart", "shutdown"} {
		got := s.read(hook)
		contains(t, got, "PODHOOK_HOOK="+hook, s.mark)
		if strings.Contains(got, secret) || strings.Contains(got, "PODHOOK_CONFIG_YAML") {
			t.Errorf("%s: a step has\n%s", hook, got)
		}
	}
	if got := s.read("cmd"); got != yaml {
		t.Errorf("CMD has %q, want %q in %v", got, yaml, e)
	}
}

// No log, status, message or command shows the value of a header or the secrets of a URL,
// with any error in a configuration or a request.
func TestSecretsAreShownNowhere(t *testing.T) {
	testutil.Slow(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/circle" {
			http.Redirect(w, r, "/circle?token="+secret, http.StatusFound)
			return
		}
		w.WriteHeader(http.StatusTeapot)
	}))
	defer server.Close()
	at := func(path string) string { return server.URL + path + "?token=" + secret }
	closed := "http://127.0.0.1:1/?token=" + secret
	pushed := make(chan string, 100)
	gateway := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		pushed <- r.URL.String() + "\n" + string(text)
	}))
	defer gateway.Close()
	good := "hooks:\n  shutdown:\n    steps:\n    - &a {onFailure: continue, http: {url: '" + at("/x") + "', headers: {A: " + secret + "}, body: " + secret + "}}\n" +
		"    - {onFailure: continue, http: '" + at("/circle") + "'}\n    - {onFailure: continue, http: '" + closed + "'}\n" +
		"    - {onFailure: continue, http: 'unix:" + "/no/such/socket:/q?" + secret + "'}\n    - {onFailure: continue, timeout: 100ms, wait: {http: '" + at("/y") + "'}}\n" +
		"    - {onFailure: continue, timeout: 100ms, wait: {metric: {url: '" + closed + "', name: m, atMost: 0, headers: {A: " + secret + "}}}}\n" +
		"    - {onFailure: continue, exec: [no-such-program, 'http://u:" + secret + "@h/?q=" + secret + "']}\n" +
		"    - {onFailure: continue, exec: [sh, -c, 'echo loud-$(env | grep -c \"$PASS\") loud-$PASS; exit 3'], env: {PASS: " + secret + "}, quiet: true, retries: 1, backoff: 1ms}\n"
	broken := []string{
		strings.Replace(good, "headers: {A: "+secret+"}", "headers: 'A: "+secret+"'", 1),
		strings.Replace(good, "http: '"+closed, "http: 'ftp://u:"+secret+"@h/", 1),
		strings.Replace(good, "http: '"+closed, "htpp: '"+closed, 1),
	}
	s := newSandbox(t, good, "PODHOOK_LISTEN=127.0.0.1:0", "PODHOOK_TOKEN="+secret+"-and-some-more", "DB_PASSWORD="+secret, "PODHOOK_PUSH_GROUP=app=web",
		"PODHOOK_METRICS_RUNTIME=true")
	s.env = append(s.env, "PODHOOK_TEXTFILE_DIR="+s.dir, "PODHOOK_PUSHGATEWAY="+gateway.URL)
	agent, address := s.logging()
	var all []string
	keep := func(what, text string) { all = append(all, what+": "+text) }
	show := func(args ...string) {
		e := s.run(args...)
		keep("command", e.stdout+e.stderr)
	}
	look := func() {
		for _, path := range []string{"/shutdown?force=true", "/status", "/status?pretty", "/metrics", "/readyz", "/", "/hooks/shutdown/output"} {
			req, err := http.NewRequest("GET", "http://"+address+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("X-Podhook-Token", secret+"-and-some-more")
			req.Header.Set("Accept", "text/html")
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			keep(path, string(body))
		}
		for _, args := range [][]string{{"check"}, {"check", "-o", "json"}, {"plan", "shutdown"}, {"plan", "-o", "json", "shutdown"},
			{"shutdown", "--force"}, {"status"}, {"status", "-o", "json"}, {"status", "--timeline"}, {"logs", "shutdown"}} {
			show(args...)
		}
	}
	look()
	for _, yaml := range broken {
		s.configure(yaml)
		look()
	}
	for _, args := range [][]string{
		{"http", closed}, {"http", at("/x")}, {"http", "http://u:" + secret + "@h/"}, {"http", "u:" + secret + "@h"}, {"http", "-H", secret, closed},
		{"http", "-H", "A B: " + secret, closed}, {"http", "-H", "A: " + secret + "\n", closed}, {"http", "-X", "http://u:" + secret + "@h", closed},
		{"http", "--timeout", closed, closed}, {"wait", "--http", closed, "--timeout", "0s"}, {"wait", "--http", "ftp:" + closed},
		{"wait", "--tcp", closed}, {"wait", closed}, {"hook", closed}, {closed},
	} {
		show(args...)
	}
	s.env = append(s.env, "PODHOOK_TOKEN="+secret, "PODHOOK_UNKNOWN="+secret, "PODHOOK_STATE="+closed)
	show("shutdown")
	show("check")
	agent.signal(t, syscall.SIGTERM)
	agent.wait(t)
	keep("log", s.read("log"))
	keep("termination message", s.read("termination"))
	keep("textfile", s.read("podhook-web.prom"))
	for len(pushed) > 0 {
		keep("Pushgateway", <-pushed)
	}
	for _, file := range s.hookFiles("shutdown") {
		keep("state", s.read(file))
	}
	for _, text := range all {
		if strings.Contains(text, secret) || strings.Contains(text, "loud-") && !strings.Contains(text, "echo loud-") {
			t.Errorf("%s", shortened(text))
		}
	}
	contains(t, s.read("log"), "configuration refused", "msg=step ")
	contains(t, s.read("termination"), "shutdown")
	contains(t, s.read("state/hooks/shutdown/run.json")+s.read("podhook-web.prom"), `"outcome":"failed"`, `podhook_runs_total{app="web",hook="shutdown",outcome="failed"}`)
	contains(t, strings.Join(all, "\n"), "Pushgateway: /metrics/job/podhook/app/web", "<h2>shutdown")
	if !slices.ContainsFunc(all, func(text string) bool { return strings.Contains(text, "127.0.0.1:1/?...") }) {
		t.Error("no URL is shown without its query")
	}
}
