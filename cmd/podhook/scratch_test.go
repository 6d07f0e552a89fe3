package main

import (
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/internal/testutil"
)

// An image of podhook alone: no shell, no /proc, no /dev, no /etc. Every kind of
// step works there, except a script without an interpreter.
const scratchHooks = `
hooks:
  prestart:
    steps:
    - {name: program, exec: [/podhook, version]}
    - {name: scripts, scripts: /scripts.d}
    - {name: nap, sleep: 10ms}
    - {name: ca, write: {file: /ca.pem, content: "${CA}"}}
    - {name: token, write: {file: /token, content: "${TOKEN}\n", mode: 0600}}
    - {name: post, http: {url: "${HTTP}/echo", body: work, headers: {Authorization: {prefix: "Bearer ", file: /token}}}}
    - {name: tls, http: {url: "${HTTPS}/echo", caFile: /ca.pem}}
    - name: group
      parallel:
      - {name: port, wait: {tcp: "${ADDRESS}"}}
      - {name: answer, wait: {http: "${HTTP}/ready"}}
      - {name: metric, wait: {metric: {url: "${HTTP}/metrics", name: active, labels: {state: "a"}, atMost: 0}}}
      - {name: file, wait: {file: /made}}
      - {name: maker, write: {file: /made}}
    - {name: again, exec: [/podhook, wait, --gone, "/second", --timeout, 0s], retries: 1, backoff: 1ms}
    - {name: clean, remove: /made}
    - {name: gone, wait: {gone: /made}}
    - {name: other, exec: [/podhook, version], user: "12345:12345"}
  shutdown:
    steps:
    - {name: stop, signal: TERM}
    - {name: exit, wait: {exit: main}, timeout: 10s}
    - {name: last, write: {file: /stopped}, always: true}
`

func TestScratch(t *testing.T) {
	needsRoot(t)
	root := t.TempDir()
	if _, err := testutil.Build(root); err != nil {
		t.Fatal(err)
	}
	// The only interpreter that there can be is podhook: one script the kernel
	// starts by it, and one without execute bit podhook itself.
	if err := os.Mkdir(filepath.Join(root, "scripts.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{"10-executable": 0o755, "20-plain": 0o644} {
		if err := os.WriteFile(filepath.Join(root, "scripts.d", name), []byte("#!/podhook complete\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	// Another user starts it too.
	for dir := root; dir != "/"; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, info.Mode()|0o011); err != nil {
			t.Fatal(err)
		}
		if dir == os.TempDir() {
			break
		}
	}
	asked := make(chan string, 100)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked <- fmt.Sprintf("%s %s %s %s", r.Method, r.URL.Path, body, r.Header.Get("Authorization"))
		fmt.Fprint(w, "active{state=\"a\"} 0\nactive{state=\"b\"} 5\n")
	})
	plain, secure := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	defer plain.Close()
	defer secure.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})

	s := newSandbox(t, "")
	cmd := exec.Command("/podhook", "run", "--", "/podhook", "sleep", "1000")
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
	cmd.Env = []string{
		s.mark, "PODHOOK_CONFIG_YAML=" + scratchHooks, "PODHOOK_STATE_DIR=/state", "TOKEN=secret", "CA=" + string(ca),
		"HTTP=" + plain.URL, "HTTPS=" + secure.URL, "ADDRESS=" + strings.TrimPrefix(plain.URL, "http://"),
	}
	r := s.begin(cmd)
	record := func(hook string) state.Record {
		t.Helper()
		return readRecord(t, filepath.Join(root, "state"), hook)
	}
	testutil.Eventually(t, "prestart ends", func() bool {
		select {
		case <-r.done:
			t.Fatal(r.wait(t))
		default:
		}
		_, err := os.Stat(filepath.Join(root, "state", "hooks", "prestart", "marker"))
		return err == nil
	})
	allSucceeded(t, record("prestart"), 17)
	r.signal(t, syscall.SIGTERM)
	e := r.wait(t)
	testutil.Within(t, e.elapsed, 0, 30*time.Second)
	allSucceeded(t, record("shutdown"), 3)
	if e.code != 143 {
		t.Errorf("%v, want code 143", e)
	}
	close(asked)
	var all []string
	for a := range asked {
		all = append(all, a)
	}
	contains(t, strings.Join(all, "\n"), "POST /echo work Bearer secret", "GET /echo  ", "GET /ready", "GET /metrics")
	for _, name := range []string{"made", "proc", "dev", "etc"} {
		if _, err := os.Stat(filepath.Join(root, name)); err == nil {
			t.Errorf("there is a /%s", name)
		}
	}
	for name, mode := range map[string]os.FileMode{"token": 0o600, "stopped": 0o644} {
		if info, err := os.Stat(filepath.Join(root, name)); err != nil || info.Mode() != mode {
			t.Errorf("/%s: %v, %v", name, info, err)
		}
	}
}

func allSucceeded(t *testing.T, rec state.Record, steps int) {
	t.Helper()
	if rec.Outcome != state.Succeeded || len(rec.Steps) != steps {
		t.Errorf("%s: %s, %d steps: %s", rec.Hook, rec.Outcome, len(rec.Steps), rec.Reason)
	}
	for _, s := range rec.Steps {
		if s.Outcome != state.Succeeded {
			t.Errorf("%s: step %s: %s: %s", rec.Hook, s.Name, s.Outcome, s.Error)
		}
	}
}
