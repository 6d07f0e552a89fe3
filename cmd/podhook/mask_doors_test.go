package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/podhook/podhook/internal/testutil"
)

// TestMaskedSecretsAreShownNowhere: what a file of mask: holds is in no answer, log, message or
// file, also while a step waits for another attempt, or for a server that names it.
func TestMaskedSecretsAreShownNowhere(t *testing.T) {
	reason, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer reason.Close()
	go func() { // net/http writes no reason of its own
		for {
			conn, err := reason.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 4096))
			fmt.Fprintf(conn, "HTTP/1.1 503 %s is wrong\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", secret)
			conn.Close()
		}
	}()
	secrets := filepath.Join(t.TempDir(), "secrets")
	if err := os.WriteFile(secrets, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newSandbox(t, fmt.Sprintf(`mask: [%[1]s]
hooks:
  shutdown:
    steps:
    - timeout: 5s
      parallel:
      - {name: prints, exec: [sh, -c, 'echo pass=$(cat %[1]s) >&2; exit 3'], retries: 1, backoff: 1ms}
      - {name: again, exec: [sh, -c, '"/no/$(cat %[1]s)"'], retries: 100, backoff: 200ms}
      - {name: sends, http: 'http://%[2]s/', retries: 100, backoff: 200ms}
      - {name: asks, wait: {http: 'http://%[2]s/'}}
      - {name: tries, wait: {exec: [sh, -c, 'cat %[1]s; exit 9']}}
`, secrets, reason.Addr()), "PODHOOK_LISTEN=127.0.0.1:0", "PODHOOK_TOKEN=a-token-of-this-test", "PODHOOK_LOG_FORMAT=logfmt", "PODHOOK_PUSH_GROUP=app=web")
	s.env = append(s.env, "PODHOOK_TEXTFILE_DIR="+s.dir)
	agent, address := s.logging()
	var all []string
	get := func(path string) string {
		req, err := http.NewRequest("GET", "http://"+address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Podhook-Token", "a-token-of-this-test")
		req.Header.Set("Accept", "text/html")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		all = append(all, path+": "+string(body))
		return string(body)
	}
	look := func() {
		for _, path := range []string{"/status", "/", "/metrics", "/hooks/shutdown/output"} {
			get(path)
		}
		for _, args := range [][]string{{"status"}, {"status", "--timeline"}, {"status", "-o", "json"}, {"logs", "shutdown"}} {
			e := s.run(args...)
			all = append(all, strings.Join(args, " ")+": "+e.stdout+e.stderr)
		}
	}
	get("/shutdown?wait=false")
	testutil.Eventually(t, "the steps wait", func() bool {
		text := get("/status")
		return strings.Contains(text, "503 ") && strings.Contains(text, "exit code 9") && strings.Contains(text, "was answered with")
	})
	look()
	get("/shutdown")
	look()
	agent.signal(t, syscall.SIGTERM)
	agent.wait(t)
	for _, file := range append(s.hookFiles("shutdown"), "log", "termination", "podhook-web.prom") {
		text := s.read(file)
		all = append(all, file+": "+text)
	}
	for _, text := range all {
		if at := strings.Index(text, secret); at >= 0 {
			t.Errorf("%s ... %s", shortened(text[:min(60, at)]), text[max(0, at-200):min(len(text), at+100)])
		}
	}
	contains(t, s.read("log"), "pass=***", "503 *** is wrong", "was answered with status 503 ***")
}

// hookFiles are the files of a hook's state that have something to say.
func (s *sandbox) hookFiles(hook string) (names []string) {
	s.t.Helper()
	dir := "state/hooks/" + hook + "/"
	files, err := os.ReadDir(s.path(dir))
	if err != nil {
		s.t.Fatal(err)
	}
	output := 0
	for _, file := range files {
		names = append(names, dir+file.Name())
		output += strings.Count(file.Name(), "output.")
	}
	if output == 0 || !slices.Contains(names, dir+"run.json") {
		s.t.Errorf("the state of %s has only %q", hook, names)
	}
	return names
}
