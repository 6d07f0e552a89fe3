//go:build e2e

package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse/docker"
	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse/kubelet"
)

// brokenOnce is a prestart that fails the first time.
const brokenOnce = `PODHOOK_CONFIG_YAML=hooks:
  prestart: {steps: [{name: broken-once, exec: [sh, -c, "[ -e /out/repaired ] || { touch /out/repaired; echo what a pity; exit 3; }"]}]}
`

// kubelet sees that a postStart has failed: it kills the container and starts it again.
// The reason stays visible.
func TestFailedPostStartExec(t *testing.T) {
	t.Parallel()
	main := kubelet.Container{
		Name: "main", Image: built.Layer, Command: []string{"sleep", "60"}, Env: []string{brokenOnce},
		PostStart: execHook("/podhook", "prestart"),
	}
	r := failsOnce(t, kubelet.Pod{Containers: []kubelet.Container{main}}, "Created", "Started")
	wantReason(t, r.Containers[0].Starts[0].Message)
}

// kubelet ignores the status of an answer, so the agent closes the connection. Its own
// termination message is gone when the hook has succeeded; the log stays.
func TestFailedPostStartHTTP(t *testing.T) {
	t.Parallel()
	agent := kubelet.Container{
		Name: "podhook", Image: built.Layer, Command: []string{"/podhook", "serve"}, Env: []string{brokenOnce},
		Startup: startupProbe("8080", "/livez"),
	}
	main := kubelet.Container{
		Name: "main", Image: built.Web, Command: []string{"sleep", "60"}, PostStart: httpHook("8080", "/prestart"),
	}
	pod := kubelet.Pod{Sidecars: []kubelet.Container{agent}, Containers: []kubelet.Container{main}}
	r := failsOnce(t, pod, "Created", "Started", "Created", "Started")
	var log string
	for _, e := range find(r, "podhook", "log", "prestart") {
		log += e.Result + "\n"
	}
	wantReason(t, log)
}

// wantReason asserts that a text says why prestart failed.
func wantReason(t *testing.T, text string) {
	t.Helper()
	for _, want := range []string{"prestart", "broken-once", "what a pity", "exited with code 3"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %q", want, text)
		}
	}
}

// failsOnce plays a pod whose first postStart fails; begin are the events before.
func failsOnce(t *testing.T, pod kubelet.Pod, begin ...string) kubelet.Report {
	t.Helper()
	_, outArg := volume(t, "/out")
	o := docker.Options{Args: map[string][]string{"": {outArg}}}
	pod.GracePeriod = 3 // sleep as PID 1 ignores SIGTERM
	r := rehearse(t, pod, o, kubelet.Scenario{Restarts: 1, StopAfter: 500 * time.Millisecond})
	want := strings.Join(append(begin, "FailedPostStartHook", "Killing"), " ")
	if got := strings.Join(reasonsOf(r), " "); !strings.HasPrefix(got, want) {
		t.Errorf("events %s, want them to begin with %s", got, want)
	}
	if !r.EverReady {
		t.Error("not ready after the repair")
	}
	for _, c := range r.Containers {
		if want := map[string]int{"main": 1}[c.Name]; c.RestartCount != want {
			t.Errorf("%d restarts of %s, want %d", c.RestartCount, c.Name, want)
		}
	}
	return r
}

func reasonsOf(r kubelet.Report) []string {
	var all []string
	for _, e := range r.Events {
		if e.Reason != "Unhealthy" {
			all = append(all, e.Reason)
		}
	}
	return all
}
