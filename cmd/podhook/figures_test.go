package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/internal/testutil"
)

const dying = `hooks:
  shutdown: {steps: [{name: bad, exec: [sh, -c, "exit 7"]}]}
`

// fetched is the body of an answer, or "".
func fetched(url string) string {
	res, err := http.Get(url)
	if err != nil {
		return ""
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode != 200 {
		return ""
	}
	return string(body)
}

// TestFiguresOutliveThePod: the outcome of a pod that ended between two scrapes is in a
// Pushgateway and in a file of the node, once for all pods of the workload.
func TestFiguresOutliveThePod(t *testing.T) {
	gateway := testutil.NeedProgram(t, "prometheus-pushgateway", "prometheus-pushgateway")
	promtool := testutil.NeedProgram(t, "promtool", "prometheus")
	s := newSandbox(t, dying)
	address := freeAddress(t)
	s.server(exec.Command(gateway, "--web.listen-address="+address))
	testutil.Eventually(t, "the Pushgateway is ready", func() bool { return fetched("http://"+address+"/-/ready") != "" })
	if err := os.Mkdir(s.path("node"), 0o755); err != nil {
		t.Fatal(err)
	}
	s.env = append(s.env, "PODHOOK_PUSHGATEWAY=http://"+address, "PODHOOK_TEXTFILE_DIR="+s.path("node"), "PODHOOK_PUSH_GROUP=namespace=shop,app=web")
	series := `podhook_runs_total{app="web",hook="shutdown",namespace="shop",outcome="failed"} 1`
	for range 3 { // pods of one workload
		if err := os.RemoveAll(s.path("state")); err != nil {
			t.Fatal(err)
		}
		call := s.deaf("run", "--", "sh", "-c", "echo up >"+s.path("up")+"; exec sleep 1000")
		testutil.Eventually(t, "CMD runs", func() bool { return s.read("up") != "" })
		_ = os.Remove(s.path("up"))
		call.signal(t, syscall.SIGTERM)
		if e := call.wait(t); e.code != 143 {
			t.Errorf("%v, want code 143", e)
		}
		if file := s.read("node/podhook-shop-web.prom"); !strings.Contains(file, series) {
			t.Errorf("the file of the node has no %s:\n%s", series, file)
		}
		_ = os.Remove(s.path("node/podhook-shop-web.prom"))
	}
	all := fetched("http://" + address + "/metrics")
	var found []string
	for line := range strings.Lines(all) {
		if strings.HasPrefix(line, "podhook_runs_total{") && strings.Contains(line, `hook="shutdown",`) && strings.Contains(line, `outcome="failed"`) {
			found = append(found, strings.TrimSpace(line))
		}
	}
	if len(found) != 1 || !strings.Contains(found[0], `job="podhook"`) || !strings.HasSuffix(found[0], "} 1") || !strings.Contains(all, "push_time_seconds{app=\"web\"") {
		t.Errorf("the Pushgateway has %q", found)
	}
	check := exec.Command(promtool, "check", "metrics")
	check.Stdin = strings.NewReader(all)
	if out, err := check.CombinedOutput(); err != nil && strings.Contains(string(out), "error") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestFiguresAreNotWaitedForLong: a receiver that hangs, refuses or is not there costs at
// most 2 s, and a line in the log.
func TestFiguresAreNotWaitedForLong(t *testing.T) {
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/hang") {
			<-hang
		}
		http.Error(w, "no room", http.StatusInsufficientStorage)
	}))
	defer server.Close()
	defer close(hang)
	for url, want := range map[string]string{
		server.URL + "/hang":       "2s",
		server.URL:                 `the Pushgateway answers 507 Insufficient Storage`,
		"http://" + freeAddress(t): "connection refused",
	} {
		s := newSandbox(t, dying)
		s.env = append(s.env, "PODHOOK_PUSHGATEWAY="+url, "PODHOOK_PUSH_GROUP=app=web")
		began := time.Now()
		e := s.start("run", "--", "true").wait(t)
		if e.code != 0 || time.Since(began) > 20*time.Second {
			t.Errorf("%s: %v after %v", url, e, time.Since(began))
		}
		if n := strings.Count(e.stdout+e.stderr, "figures not sent"); n != 1 || !strings.Contains(e.stdout+e.stderr, want) {
			t.Errorf("%s: %d times not sent, want once with %q: %v", url, n, want, e)
		}
	}
}

func TestFiguresSettings(t *testing.T) {
	for entry, want := range map[string]string{
		"PODHOOK_PUSHGATEWAY=http://gateway:9091": "need PODHOOK_PUSH_GROUP: labels of the workload",
		"PODHOOK_PUSHGATEWAY=gateway:9091":        "PODHOOK_PUSHGATEWAY",
		"PODHOOK_TEXTFILE_DIR=node":               "an absolute path is needed",
		"PODHOOK_PUSH_GROUP=web":                  "labels of the workload such as namespace=shop,app=web are needed",
		"PODHOOK_PUSH_GROUP=app=a/b":              "are needed",
		"PODHOOK_PUSH_GROUP=step=a":               "are needed", // the metrics have it
	} {
		s := newSandbox(t, dying)
		s.env = append(s.env, entry)
		contains(t, fmt.Sprint(s.expect(2, "check").stdout), want)
	}
}
