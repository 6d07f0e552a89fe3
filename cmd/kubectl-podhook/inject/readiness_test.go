package inject

import (
	"strings"
	"testing"
)

func TestReadinessProbe(t *testing.T) {
	for name, test := range map[string]struct {
		probe, ready, note string
	}{
		"httpGet":         {"httpGet: {port: http, path: /healthz}", "answer", ""},
		"tcpSocket":       {"tcpSocket: {port: 8000}", "tcp", ""},
		"exec":            {"exec: {command: [a]}", "", "stays as it is"},
		"grpc":            {"grpc: {port: 8000}", "", "stays as it is"},
		"a slow one":      {"httpGet: {port: 8000}\n      timeoutSeconds: 3", "", "timeoutSeconds is 3"},
		"an unknown port": {"httpGet: {port: admin}", "", "admin"},
	} {
		t.Run(name, func(t *testing.T) {
			text := fill("", "", test.probe)
			out, documents := injectedText(t, text, "--image", "x")
			_, stderr, _ := injectText(t, text, "--image", "x")
			_, c := onePod(t, documents)
			if c.ReadinessProbe.PeriodSeconds != 3 || test.note != "" && !strings.Contains(stderr, test.note) {
				t.Errorf("%+v, %q", c.ReadinessProbe, stderr)
			}
			ready := hooksOf(t, documents).Ready
			if test.ready == "" {
				if len(ready) != 0 || len(removed(t, text, out)) != 0 {
					t.Errorf("it is not kept: %+v\n%s", ready, out)
				}
				return
			}
			if len(ready) != 1 || c.ReadinessProbe.Exec == nil || c.ReadinessProbe.Exec.Command[1] != "ready" || c.ReadinessProbe.TimeoutSeconds != 2 {
				t.Errorf("%+v, %+v", ready, c.ReadinessProbe)
			}
			// A sidecar has its own probe beside it.
			if out, _ := injectedText(t, text, "--image", "x", "--way", "sidecar", "--main", "name:a"); removed(t, text, out) != nil {
				t.Errorf("a sidecar changes the probe:\n%s", out)
			}
		})
	}
}

// A server that is told the pod's address may listen on nothing else.
func TestReadinessProbeOfThePodsAddress(t *testing.T) {
	text := strings.Replace(fill("", "", "tcpSocket: {port: 8000}"), "    ports:",
		"    env:\n    - name: ADDRESS\n      valueFrom: {fieldRef: {fieldPath: status.podIP}}\n    ports:", 1)
	out, _ := injectedText(t, text, "--image", "x")
	_, stderr, _ := injectText(t, text, "--image", "x")
	if removed(t, text, out) != nil || !strings.Contains(stderr, "ADDRESS alone") {
		t.Errorf("%q\n%s", stderr, out)
	}
}
