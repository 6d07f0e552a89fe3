package page

import (
	"context"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/internal/testutil"
)

const token = "the-token-of-this-test"

// scene is an agent in a state that people look at.
type scene struct {
	name, hooks string
	env         []string
	// run are the arguments of podhook run; without them it is podhook serve.
	run []string
	// calls are hooks that are called one after the other.
	calls []string
	// shows are texts that the page has with a token, hides those that it has not without.
	shows, hides []string
}

// scenes are all states. A client holds a connection to drains.
func scenes(t *testing.T) []scene {
	return []scene{
		{name: "fresh", hooks: `hooks: {prestart: {steps: [{exec: ["true"]}]}, reload: {steps: [{sleep: 1ms}, {sleep: 1ms}]}}`},
		{name: "good", run: []string{"--", "sleep", "600"}, hooks: `
hooks:
  prestart:
    steps:
    - {name: render-config, exec: [sh, -c, "echo rendering; sleep 0.05"], once: true}
    - {name: secret, exec: [sh, -c, "echo hunter2"], quiet: true}
    - {name: warm, sleep: 150ms}
  shutdown: {steps: [{signal: TERM}]}
`, shows: []string{"main process: running (sleep, PID"}, hides: []string{"hunter2"}},
		{name: "draining", env: []string{"PODHOOK_GRACE_PERIOD=330s"}, run: []string{"--prestart=off", "--", "sleep", "600"}, calls: []string{"prestart", "shutdown?wait=false"}, hooks: fmt.Sprintf(`
hooks:
  prestart: {steps: [{name: migrate, exec: [sleep, "0.1"]}]}
  shutdown:
    timeout: 300s
    steps:
    - {name: deregister, exec: [sh, -c, "echo gone from the registry"]}
    - {name: drain, wait: {connections: {port: %d, loopback: true}}}
    - {name: stop, signal: QUIT}
`, heldConnection(t)), shows: []string{"To come: stop", "1 left"}},
		{name: "failed", run: []string{"--prestart=off", "--", "sleep", "600"}, calls: []string{"prestart", "shutdown", "hooks/reload"}, hooks: failing,
			shows: []string{"exited with code 3", "attempt 3", "<script>alert(1)</script>", "timed out", "never-reached"},
			hides: []string{"alert(1)", "no space left"}},
		{name: "many", calls: []string{"prestart", "shutdown"}, hooks: many(), shows: []string{"s450", "last words"}},
		{name: "history", calls: again(20, "prestart", "shutdown", "hooks/reload"), hooks: `
hooks:
  prestart: {steps: [{name: a, exec: [sh, -c, "echo lines of output; exit 1"]}]}
  shutdown: {timeout: 300ms, steps: [{name: b, exec: [sh, -c, "seq 1 200; exit 7"]}]}
  reload: {steps: [{name: c, exec: [sh, -c, "head -c 3000 /dev/zero | tr '\\0' x; exit 1"]}]}
`},
	}
}

const failing = `
hooks:
  prestart:
    timeout: 10s
    steps:
    - {name: render, exec: [sh, -c, "echo ok"]}
    - {name: register, exec: [sh, -c, "echo '<script>alert(1)</script><img src=http://127.0.0.1:1/x onerror=alert(2)>'; echo \"it's & <b>bold\"; sleep 0.05; exit 3"], retries: 2, backoff: 100ms}
    - {name: never-reached, exec: ["true"]}
    - {name: clean-up-of-a-step-whose-name-is-as-long-as-a-name-can-be-so-63, always: true, exec: [sh, -c, "head -c 900 /dev/zero | tr '\\0' W; echo; echo no space left; exit 1"]}
  shutdown:
    timeout: 1500ms
    steps:
    - {name: flush, exec: [sleep, "0.2"]}
    - {name: stubborn, exec: [sh, -c, 'trap "" TERM; echo I stay; while :; do sleep 0.1; done'], killAfter: 300ms}
    - {name: stop, signal: QUIT}
  reload:
    steps:
    - {name: ask, http: "http://127.0.0.1:1/quit", retries: 1, backoff: 10ms}
    - {name: file, wait: {file: /nonexistent/with/a/path/that/is/quite/long/and/has/no/blank}, timeout: 200ms}
`

// many is 500 steps, of which each 50th fails.
func many() string {
	var b strings.Builder
	b.WriteString("hooks:\n")
	for _, hook := range []string{"prestart", "shutdown"} {
		fmt.Fprintf(&b, "  %s:\n    steps:\n", hook)
		for i := range 500 {
			step := fmt.Sprintf("{name: s%d, write: {file: \"${DIR}/x\", content: x}}", i)
			if i%50 == 0 {
				step = fmt.Sprintf("{name: s%d, exec: [sh, -c, 'echo last words of %d; exit 1'], onFailure: continue}", i, i)
			}
			b.WriteString("    - " + step + "\n")
		}
	}
	return b.String()
}

func again(n int, calls ...string) (all []string) {
	for range n {
		all = append(all, calls...)
	}
	return all
}

// heldConnection is the port of a server that a client is connected to until the test ends.
func heldConnection(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close(); client.Close(); server.Close() })
	return l.Addr().(*net.TCPAddr).Port
}

// start starts the agent, calls its hooks, and returns its address.
func (s scene) start(t *testing.T) (url string) {
	t.Helper()
	dir := t.TempDir()
	file, out := filepath.Join(dir, "podhook.yaml"), filepath.Join(dir, "log")
	if err := os.WriteFile(file, []byte(s.hooks), 0o644); err != nil {
		t.Fatal(err)
	}
	argv := []string{"serve"}
	if s.run != nil {
		argv = append([]string{"run"}, s.run...)
	}
	cmd := exec.Command(podhook, argv...)
	cmd.Env = append([]string{"PATH=/usr/bin:/bin", "PODHOOK_LISTEN=127.0.0.1:0", "DIR=" + dir, "PODHOOK_CONFIG=" + file, "PODHOOK_TOKEN=" + token,
		"PODHOOK_STATE_DIR=" + filepath.Join(dir, "state"), "PODHOOK_TERMINATION_LOG=off"}, s.env...)
	log, err := os.Create(out)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C reaches the test alone
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(t, cmd) })
	text := func() string {
		text, _ := os.ReadFile(out)
		return string(text)
	}
	testutil.Eventually(t, s.name+" is up", func() bool {
		listens := regexp.MustCompile(`agent listens \(address (\S+:\d+),`).FindStringSubmatch(text())
		if listens != nil {
			url = "http://" + listens[1] + "/"
		}
		return listens != nil && (s.run == nil || strings.Contains(text(), "main process started"))
	})
	for _, path := range s.calls {
		get(t, url+path, token)
	}
	for _, want := range s.shows { // what a step waits for is known a moment after its begin
		testutil.Eventually(t, want+" is on the page", func() bool {
			_, page := get(t, url, token, "Accept", "text/html")
			return strings.Contains(html.UnescapeString(page), want)
		})
	}
	return url
}

// end asks until the process has ended: the third time podhook no longer waits for its hooks.
func end(t *testing.T, cmd *exec.Cmd) {
	gone := make(chan struct{})
	go func() { _ = cmd.Wait(); close(gone) }()
	for range 100 {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-gone:
			return
		case <-time.After(200 * time.Millisecond):
		}
	}
	t.Errorf("%v does not end", cmd.Args)
	_ = cmd.Process.Kill()
	<-gone
}

// get sends a request and returns the answer and its body.
func get(t *testing.T, url, token string, headers ...string) (*http.Response, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("X-Podhook-Token", token)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}
