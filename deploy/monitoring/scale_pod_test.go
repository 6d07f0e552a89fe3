package monitoring

import (
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/podhook/podhook/agent/events"
	"github.com/podhook/podhook/agent/podapi"
	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/hooks/state"
)

// measurePod measures what does not depend on how many pods there are.
func measurePod(t *testing.T) []figure {
	t.Helper()
	requests, size := eventOfAFailedShutdown(t)
	return []figure{
		{name: "series of the worst agent", of: worst(t)},
		{name: "series that PODHOOK_METRICS_RUNTIME adds", of: seriesOf(t, "PODHOOK_METRICS_RUNTIME=true") - seriesOf(t)},
		{name: "requests for the Event of a shutdown that fails twice", of: requests},
		{name: "bytes of the body of such a request", of: size / requests},
	}
}

// seriesOf is how many series an idle agent has.
func seriesOf(t *testing.T, env ...string) float64 {
	t.Helper()
	_, found := member{pod: "one-0", hooks: scaleHooks, env: env}.serve(t, t.TempDir())
	return samples(call(t.Context(), found.Targets[0], "/metrics"))
}

// worst has what adds series: 10 failed steps and kills in both hooks, a main process that is
// not found, and requests that are refused.
func worst(t *testing.T) float64 {
	t.Helper()
	hook := "{steps: [{name: good, sleep: 1ms}, "
	for i := range 12 {
		hook += fmt.Sprintf(`{name: f%d, exec: ["false"], onFailure: continue}, `, i)
	}
	hook += `{name: stuck, exec: [sh, -c, 'trap "" TERM; sleep 30'], timeout: 100ms, killAfter: 50ms}, {name: last, sleep: 1ms}]}`
	m := member{pod: "worst-0", hooks: "hooks: {prestart: " + hook + ", shutdown: " + hook + "}",
		env: []string{"PODHOOK_TOKEN=a-token-of-this-test", "PODHOOK_MAIN=name:nothing-has-it"}}
	_, found := m.serve(t, t.TempDir())
	address := found.Targets[0]
	for _, path := range []string{"/prestart", "/shutdown", "/prestart?wait=perhaps", "/nothing", "kubelet /shutdown"} {
		call(t.Context(), address, path, "X-Podhook-Token", "a-token-of-this-test")
	}
	for _, path := range []string{"/prestart", "/hooks/prestart/output", "/prestart?force=true", "kubelet /nothing"} {
		call(t.Context(), address, path) // without the token
	}
	text := call(t.Context(), address, "/metrics")
	if n := strings.Count(text, "\npodhook_step_failed{"); n != 20 {
		t.Errorf("%d steps have failed in\n%s", n, text)
	}
	return samples(text)
}

// eventOfAFailedShutdown is how many requests the API server gets of a pod whose shutdown fails
// as preStop and again on the stop signal, and their bytes.
func eventOfAFailedShutdown(t *testing.T) (requests, size float64) {
	t.Helper()
	server := new(receiver)
	https := httptest.NewTLSServer(server)
	defer https.Close()
	dir := t.TempDir()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: https.Certificate().Raw})
	for name, text := range map[string]string{"token": "a-token", "namespace": "shop", "ca.crt": string(ca)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	client := &podapi.Client{Server: https.URL, Dir: dir, Pod: "web-7d4b9c6f5-x2x9z"}
	sender := &events.Sender{Mode: settings.FailureEvents, PodUID: "8d0c2a51-2f0f-4a52-9d5a-6f2b3a6f5f10", Logger: slog.New(slog.DiscardHandler),
		Client: func() (*podapi.Client, error) { return client, nil }}
	now := time.Now()
	for range 2 {
		sender.Ended(state.Record{RunID: "4ee27136d85072ed", Hook: "shutdown", Outcome: state.Failed, Start: now, End: &now, Reason: "step flush: exited with code 1",
			Steps: []state.StepRecord{{Name: "flush", Outcome: state.Failed, Tail: []string{"no space left", "attempt 1 of 2 failed: exited with code 1, next in 0.0 s", "no space left"}}}})
	}
	sender.Flush(t.Context())
	if sent, failed := sender.Counts(); sent == 0 || failed != 0 {
		t.Errorf("%d Events sent, %d failed", sent, failed)
	}
	return server.count("POST") + server.count("PATCH"), server.bytes()
}
