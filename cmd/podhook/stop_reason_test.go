package main

import (
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/internal/testutil"
)

const reasonedHooks = `hooks:
  shutdown:
    steps:
    - {exec: [sh, -c, 'echo "shutdown $PODHOOK_STOP_REASON" >>"$DIR/events"']}
    - {exec: [sh, -c, 'echo ends >>"$DIR/events"'], when: {podEnds: true}}
    - {exec: [sh, -c, 'echo restarts >>"$DIR/events"'], when: {reason: [liveness]}}
  poststop: {steps: [{exec: [sh, -c, 'echo "poststop $PODHOOK_STOP_REASON" >>"$DIR/events"']}]}
`

// podSandbox is a sandbox whose containers have the ServiceAccount of a Pod.
type podSandbox struct {
	*sandbox
	asked atomic.Int32 // how often the API server was asked
}

// newPodSandbox has an API server that answers with handler.
func newPodSandbox(t *testing.T, handler http.HandlerFunc) *podSandbox {
	t.Helper()
	return newAPISandbox(t, reasonedHooks, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path != "/api/v1/namespaces/shop/pods/web-0" {
			t.Error(req.URL)
		}
		handler(w, req)
	}, "PODHOOK_POD_API=true")
}

func newAPISandbox(t *testing.T, yaml string, handler http.HandlerFunc, env ...string) *podSandbox {
	t.Helper()
	p := &podSandbox{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		p.asked.Add(1)
		if req.Header.Get("Authorization") != "Bearer a-token" {
			t.Errorf("%s %v", req.URL, req.Header)
		}
		handler(w, req)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	host, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	p.sandbox = newSandbox(t, yaml, append(env, "HOSTNAME=web-0", "PODHOOK_LISTEN=127.0.0.1:0",
		"KUBERNETES_SERVICE_HOST="+host, "KUBERNETES_SERVICE_PORT="+port)...)
	p.write("token", "a-token\n", 0o600)
	p.write("namespace", "shop", 0o600)
	p.write("ca.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})), 0o600)
	return p
}

// mounting executes a program with the ServiceAccount where kubelet mounts it.
var mounting = []string{"sh", "-c", `mount -t tmpfs none /var/run && at=/var/run/secrets/kubernetes.io/serviceaccount && mkdir -p $at &&
cp "$DIR/token" "$DIR/namespace" "$DIR/ca.crt" $at && exec "$@"`, "sh"}

// served starts podhook run with its ServiceAccount.
func (p *podSandbox) served() life {
	p.t.Helper()
	p.write("address", "", 0o644)
	return p.servedBy(mounting...)
}

// podIs is an API server that answers with this Pod.
func podIs(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}

const deletedPod = `{"metadata": {"deletionTimestamp": "2026-11-27T04:00:00Z"}}`

// Under podhook run the API server tells whether the pod ends, once for each stop.
func TestStopReasonUnderRun(t *testing.T) {
	t.Parallel()
	p := newPodSandbox(t, podIs(deletedPod))
	l := p.served()
	l.send(syscall.SIGTERM)
	l.ends(serverCode)
	p.happened("main starts", "shutdown deleted", "ends", "main gets SIGTERM", "poststop deleted")
	contains(t, p.read("log"), `msg="stop reason" reason=deleted`)
	if n := p.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

// In a preStop by exec too. The main process still runs then, and everything shows the
// reason.
func TestStopReasonOfAPreStop(t *testing.T) {
	t.Parallel()
	p := newPodSandbox(t, podIs(`{"status": {"containerStatuses": [{"state": {"running": {}}}]}}`))
	l := p.served()
	if e := l.exec("shutdown"); e.code != 0 {
		t.Fatal(e)
	}
	p.happened("main starts", "shutdown liveness", "restarts")
	contains(t, l.exec("status").stdout, "stop reason", "liveness")
	contains(t, l.exec("status", "-o", "json").stdout, `"stopReason": "liveness"`)
	client := http.Client{Timeout: testutil.Patience}
	defer client.CloseIdleConnections()
	for path, want := range map[string]string{"/status": `"stopReason":"liveness"`, "/metrics": `podhook_stop_reason{reason="liveness"} 1`} {
		resp, err := client.Get("http://" + l.agent() + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || !strings.Contains(string(body), want) {
			t.Errorf("%s has no %s: %v\n%s", path, want, err, body)
		}
	}
	l.send(syscall.SIGTERM)
	l.ends(serverCode)
	if n := p.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

// An API server that does not answer, or not with the Pod, costs a second and a line of the
// log, and no step.
func TestStopReasonIsNotKnown(t *testing.T) {
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		why     string
	}{
		"slow":      {func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() }, "no answer within 1s"},
		"forbidden": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }, "needs the Role"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPodSandbox(t, c.handler)
			l := p.served()
			began := time.Now()
			l.send(syscall.SIGTERM)
			l.ends(serverCode)
			least := time.Duration(0)
			if name == "slow" {
				least = time.Second
			}
			testutil.Within(t, time.Since(began), least, least+10*time.Second)
			p.happened("main starts", "shutdown unknown", "main gets SIGTERM", "poststop unknown")
			if text := p.read("log"); strings.Count(text, "the Pod was not read") != 1 || !strings.Contains(text, c.why) {
				t.Errorf("log: %s", text)
			}
			if n := p.asked.Load(); n != 1 {
				t.Errorf("asked %d times", n)
			}
		})
	}
}

// The end of the main process by itself needs no API server.
func TestStopReasonOfAMainProcessThatEnds(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]string{0: "completed", 3: "main-exited"} {
		s := newSandbox(t, reasonedHooks)
		if e := s.once("--", "sh", "-c", fmt.Sprintf("exit %d", code)); e.code != code {
			t.Error(e)
		}
		s.happened("poststop " + want)
	}
}

// A ServiceAccount that is missing is known at the start.
func TestStopReasonWithoutServiceAccount(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, reasonedHooks, "PODHOOK_POD_API=true")
	l := s.served()
	contains(t, s.read("log"), "PODHOOK_POD_API: the stop reason will not be known", "this is no Pod")
	l.send(syscall.SIGTERM)
	l.ends(serverCode)
	s.happened("main starts", "shutdown unknown", "main gets SIGTERM", "poststop unknown")
}
