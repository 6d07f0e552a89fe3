package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/internal/testutil"
)

const atTheEnd = `hooks:
  prestart: {steps: [{sleep: 1ms}]}
  shutdown: {steps: [{name: bad, exec: [sh, -c, "exit 7"]}]}
  poststop: {steps: [{sleep: 1ms}]}
`

// TestExecdHookSendsFigures: a preStop exec in a container without an agent leaves the figures
// where they outlive the pod.
func TestExecdHookSendsFigures(t *testing.T) {
	gateway := testutil.NeedProgram(t, "prometheus-pushgateway", "prometheus-pushgateway")
	s := newSandbox(t, atTheEnd)
	address := freeAddress(t)
	s.server(exec.Command(gateway, "--web.listen-address="+address))
	testutil.Eventually(t, "the Pushgateway is ready", func() bool { return fetched("http://"+address+"/-/ready") != "" })
	if err := os.Mkdir(s.path("node"), 0o755); err != nil {
		t.Fatal(err)
	}
	s.env = append(s.env, "PODHOOK_PUSHGATEWAY=http://"+address, "PODHOOK_TEXTFILE_DIR="+s.path("node"), "PODHOOK_PUSH_GROUP=namespace=shop,app=web")
	s.expect(0, "prestart")
	if got := s.read("node/podhook-shop-web.prom"); got != "" {
		t.Errorf("prestart sends\n%s", got)
	}
	s.expect(1, "shutdown")
	failed := `podhook_runs_total{app="web",hook="shutdown",namespace="shop",outcome="failed"} 1`
	contains(t, s.read("node/podhook-shop-web.prom"), failed, `podhook_step_failed{app="web",hook="shutdown",namespace="shop",step="bad"} 1`)
	s.expect(0, "hook", "poststop")
	series := `hook="poststop",instance="",job="podhook",namespace="shop",outcome="succeeded"} 1`
	contains(t, fetched("http://"+address+"/metrics"), series, `hook="shutdown",instance="",job="podhook",namespace="shop",outcome="failed"} 1`)
	if err := os.Remove(s.path("node/podhook-shop-web.prom")); err != nil {
		t.Fatal(err)
	}
	s.expect(0, "hook", "poststop") // has succeeded already
	if got := s.read("node/podhook-shop-web.prom"); got != "" {
		t.Errorf("a hook that does not run sends\n%s", got)
	}
}

// TestExecdHookLeavesFiguresToTheAgent: where an agent lives, it sends them at its end, with
// what it alone knows.
func TestExecdHookLeavesFiguresToTheAgent(t *testing.T) {
	for _, agent := range [][]string{{"run", "--", "sh", "-c", `echo up >"$DIR/up"; exec sleep 1000`}, {"serve"}} {
		s := newSandbox(t, atTheEnd, "PODHOOK_PUSH_GROUP=app=web", "PODHOOK_LISTEN=127.0.0.1:0")
		s.env = append(s.env, "PODHOOK_TEXTFILE_DIR="+s.dir)
		call := s.deaf(agent...)
		testutil.Eventually(t, agent[0]+" is up", func() bool { return s.agents() && (agent[0] == "serve" || s.read("up") != "") })
		s.expect(1, "shutdown")
		if got := s.read("podhook-web.prom"); got != "" {
			t.Errorf("beside %s an exec'd hook sends\n%s", agent[0], got)
		}
		call.signal(t, syscall.SIGTERM)
		call.wait(t)
		contains(t, s.read("podhook-web.prom"), `podhook_runs_total{app="web",hook="shutdown",outcome="failed"} `)
	}
}

// agents reports whether an agent has marked itself in the state.
func (s *sandbox) agents() bool {
	_, err := os.Stat(s.path("state/agents"))
	return err == nil
}

// TestExecdHookWaitsNotLongForFigures: a receiver that hangs costs 2 s, and a shutdown at most
// half of what is left of the grace period.
func TestExecdHookWaitsNotLongForFigures(t *testing.T) {
	var asked atomic.Int32
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked.Add(1)
		<-hang
	}))
	defer server.Close()
	defer close(hang)
	times := map[string]time.Duration{}
	for _, row := range []struct{ hook, grace string }{{"poststop", "30s"}, {"shutdown", "1s"}} {
		yaml := strings.Replace(atTheEnd, `exec: [sh, -c, "exit 7"]`, "sleep: 1ms", 1)
		s := newSandbox(t, yaml, "PODHOOK_PUSHGATEWAY="+server.URL, "PODHOOK_PUSH_GROUP=app=web", "PODHOOK_GRACE_PERIOD="+row.grace, "PODHOOK_GRACE_MARGIN=100ms")
		began := time.Now()
		s.expect(0, "hook", row.hook)
		times[row.hook] = time.Since(began)
	}
	if times["poststop"] < 2*time.Second || times["shutdown"] >= times["poststop"] || asked.Load() != 2 {
		t.Errorf("%v after %d requests", times, asked.Load())
	}
}
