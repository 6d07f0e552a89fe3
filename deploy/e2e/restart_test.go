//go:build e2e

package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse/docker"
	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse/kubelet"
)

// A restarted container is a new instance, even if its state is on a volume that outlives
// it: the hooks run once for each start.
func TestRestartOnTheSameStateVolume(t *testing.T) {
	t.Parallel()
	_, state := volume(t, "/state")
	out, outArg := volume(t, "/out")
	c := kubelet.Container{
		Name: "main", Image: built.Layer, Command: []string{"/podhook", "run", "--", "sleep", "60"},
		Env: []string{"PODHOOK_STATE_DIR=/state", `PODHOOK_CONFIG_YAML=hooks:
  prestart: {steps: [{exec: [sh, -c, "echo $PODHOOK_RUN_ID >> /out/prestart"]}]}
  shutdown: {steps: [{exec: [sh, -c, "echo $PODHOOK_RUN_ID >> /out/shutdown"]}]}
`},
		PostStart: execHook("/podhook", "prestart"), PreStop: execHook("/podhook", "shutdown"),
	}
	o := docker.Options{Args: map[string][]string{"": {state, outArg}}}
	r := rehearse(t, kubelet.Pod{Containers: []kubelet.Container{c}}, o, kubelet.Scenario{Restarts: 1, RestartAfter: 500 * time.Millisecond})
	if n := r.Containers[0].RestartCount; n != 1 {
		t.Fatalf("%d restarts, want 1", n)
	}
	for _, hook := range []string{"prestart", "shutdown"} {
		ids := strings.Fields(read(t, out, hook))
		if len(ids) != 2 || ids[0] == ids[1] {
			t.Errorf("runs of %s: %q, want one for each start", hook, ids)
		}
	}
	if len(r.Hooks) != 4 {
		t.Errorf("%d calls of hooks, want 4", len(r.Hooks))
	}
	for _, h := range r.Hooks {
		if h.Failed {
			t.Errorf("failed: %+v", h)
		}
	}
}

// Only main restarts: the sidecar drains it, sees it end and start again, and is ready
// again. The second shutdown runs anew.
func TestOnlyMainRestarts(t *testing.T) {
	t.Parallel()
	out, outArg := volume(t, "/out")
	agent := kubelet.Container{
		Name: "podhook", Image: built.Layer, Command: []string{"/podhook", "serve"},
		Env: []string{"PODHOOK_MAIN=name:nginx", `PODHOOK_CONFIG_YAML=hooks:
  shutdown:
    steps:
    - exec: [sh, -c, "echo $PODHOOK_RUN_ID >> /out/shutdown"]
    - signal: QUIT
`},
		Startup: startupProbe("8080", "/livez"), Readiness: httpProbe("8080", "/readyz"),
	}
	main := kubelet.Container{
		Name: "web", Image: built.Web, Readiness: httpProbe("8000", "/fast"),
		PostStart: httpHook("8080", "/prestart"), PreStop: httpHook("8080", "/shutdown"),
	}
	pod := kubelet.Pod{Sidecars: []kubelet.Container{agent}, Containers: []kubelet.Container{main}, ShareProcessNamespace: true}
	o := docker.Options{Args: map[string][]string{"podhook": {outArg}}}
	s := kubelet.Scenario{Restarts: 1, RestartAfter: 2 * time.Second, StopAfter: time.Second, DeleteAt: 40 * time.Second}
	r := rehearse(t, pod, o, s)
	for _, c := range r.Containers {
		if want := map[string]int{"web": 1, "podhook": 0}[c.Name]; c.RestartCount != want {
			t.Errorf("%d restarts of %s, want %d", c.RestartCount, c.Name, want)
		}
	}
	restarted := r.Containers[1].Last().StartedAt
	if ready := find(r, "kubelet", "pod is ready", ""); len(ready) < 2 || ready[len(ready)-1].At < restarted {
		t.Errorf("the pod became ready %d times, and not after the restart of web", len(ready))
	}
	if len(find(r, "podhook", "not ready", "")) == 0 {
		t.Error("the sidecar did not become unready while web drained")
	}
	if runs := strings.Fields(read(t, out, "shutdown")); len(runs) != 2 || runs[0] == runs[1] {
		t.Errorf("runs of shutdown: %q, want one for each end of web", runs)
	}
	wantExit(t, r, "podhook", 0, 0)
}

// A kubelet that restarts calls preStop again, with the full grace period: the hook runs
// once and the second caller joins.
func TestKubeletRestart(t *testing.T) {
	t.Parallel()
	for name, preStop := range map[string]*kubelet.Handler{
		"exec": execHook("/podhook", "shutdown"), "http": httpHook("8080", "/shutdown"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, outArg := volume(t, "/out")
			c := kubelet.Container{
				Name: "main", Image: built.Layer, Command: append([]string{"/podhook", "run", "--"}, loop("echo bye")...),
				Env: []string{"PODHOOK_LISTEN=:8080", `PODHOOK_CONFIG_YAML=hooks:
  shutdown: {steps: [{exec: [sh, -c, "echo begun >> /out/begun; sleep 3; echo done >> /out/done"]}]}
`},
				PreStop: preStop, Readiness: httpProbe("8080", "/readyz"),
			}
			o := docker.Options{Args: map[string][]string{"": {outArg}}}
			r := rehearse(t, kubelet.Pod{Containers: []kubelet.Container{c}}, o, kubelet.Scenario{KubeletRestart: time.Second})
			if len(find(r, "kubelet", "restarts", "")) != 1 || len(r.Hooks) != 2 {
				t.Fatalf("%d calls, want 2", len(r.Hooks))
			}
			if r.Hooks[1].Failed {
				t.Errorf("the second call failed: %s", r.Hooks[1].Error)
			}
			if done := read(t, out, "done"); done != "done\n" {
				t.Errorf("done %q, want it done once", done)
			}
			// Whoever does the work itself and is killed leaves an interrupted run.
			if begun := strings.Count(read(t, out, "begun"), "begun"); name == "http" && begun != 1 || begun > 2 {
				t.Errorf("begun %d times", begun)
			}
			wantExit(t, r, "main", 0, 0)
		})
	}
}
