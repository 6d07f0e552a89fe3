//go:build e2e

package e2e

import (
	"strings"
	"testing"

	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse/docker"
	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse/kubelet"
)

// drain is a configuration whose steps can be seen in the log; nginx gets its
// graceful signal.
const drain = `hooks:
  prestart:
    steps:
    - exec: [/podhook, version]
  shutdown:
    steps:
    - exec: [/podhook, version]
    - sleep: 500ms
    - signal: QUIT
`

func web(name, image string, env ...string) kubelet.Container {
	return kubelet.Container{
		Name: name, Image: image, Env: append(env, "PODHOOK_CONFIG_YAML="+drain),
		Readiness: httpProbe("8000", "/fast"),
	}
}

// Way (a): podhook is the image's init. Both hooks of the pod join the runs of the start
// and of the stop signal.
func TestBaseImageLayer(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"root":       nil,
		"restricted": append([]string{"--tmpfs", "/tmp"}, restricted...),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := web("web", built.Layer, "PODHOOK_LISTEN=:8080")
			c.PostStart, c.PreStop = execHook("/podhook", "prestart"), httpHook("8080", "/shutdown")
			r := rehearse(t, kubelet.Pod{Containers: []kubelet.Container{c}}, docker.Options{Args: map[string][]string{"": args}}, kubelet.Scenario{})
			wantEvents(t, r, "Created", "Started", "Killing")
			wantExit(t, r, "web", 0, 0)
			wantHookLogged(t, r, "web", "prestart")
			wantHookLogged(t, r, "web", "shutdown")
			wantLogged(t, r, "web", "gracefully shutting down", 1)
			wantBetween(t, "preStop answered", sinceDelete(t, r, "web/preStop", "succeeds"), 0.5, 10)
		})
	}
}

// The same on an image with only podhook: no shell, no libc. kubelet would send an httpGet
// of postStart once, before the agent listens.
func TestBareImage(t *testing.T) {
	t.Parallel()
	c := kubelet.Container{
		Name: "bare", Image: built.Bare, Command: []string{"/podhook", "run", "--", "/podhook", "sleep", "1h"},
		Env:       []string{"PODHOOK_LISTEN=:8080", "PODHOOK_CONFIG_YAML=" + drain + "    - wait: {exit: main}\n"},
		PostStart: execHook("/podhook", "prestart"), PreStop: httpHook("8080", "/shutdown"),
		Readiness: httpProbe("8080", "/readyz"),
	}
	o := docker.Options{Args: map[string][]string{"": restricted}}
	r := rehearse(t, kubelet.Pod{Containers: []kubelet.Container{c}}, o, kubelet.Scenario{})
	if !r.EverReady {
		t.Error("never ready")
	}
	wantExit(t, r, "bare", 0, 131) // `podhook sleep` dies of SIGQUIT
}

// Way (b): an init container installs podhook for an image that nobody rebuilds. The output
// of the hooks is in the container's log too.
func TestInitContainerInstalls(t *testing.T) {
	t.Parallel()
	_, bin := volume(t, "/podhook-bin")
	for range 2 { // the second time the binary is there already
		engine(t, "run", "--rm", "--read-only", "--network", "none", bin, built.Podhook, "install", "/podhook-bin")
	}
	config := strings.ReplaceAll(drain, "/podhook,", "/podhook-bin/podhook,")
	c := web("web", built.Web, "PODHOOK_MAIN=pid:1")
	c.Env[len(c.Env)-1] = "PODHOOK_CONFIG_YAML=" + config
	c.PostStart = execHook("/podhook-bin/podhook", "prestart")
	c.PreStop = execHook("/podhook-bin/podhook", "shutdown")
	r := rehearse(t, kubelet.Pod{Containers: []kubelet.Container{c}}, docker.Options{Args: map[string][]string{"": {bin}}}, kubelet.Scenario{})
	wantExit(t, r, "web", 0, 0)
	wantLogged(t, r, "web", "gracefully shutting down", 1)
	wantHookLogged(t, r, "web", "prestart")
	wantHookLogged(t, r, "web", "shutdown")
	if len(r.Hooks) != 2 || r.Hooks[0].Failed {
		t.Errorf("hooks %+v", r.Hooks)
	}
}

// Way (d): the agent is a native sidecar that sees the main container's processes.
func TestNativeSidecar(t *testing.T) {
	t.Parallel()
	agent := kubelet.Container{
		Name: "podhook", Image: built.Podhook, Args: []string{"serve"},
		Env:     []string{"PODHOOK_MAIN=name:nginx", "PODHOOK_CONFIG_YAML=" + drain + "    - wait: {exit: main}\n"},
		Startup: startupProbe("8080", "/livez"),
	}
	main := web("web", built.Web)
	main.PostStart, main.PreStop = httpHook("8080", "/prestart"), httpHook("8080", "/shutdown")
	pod := kubelet.Pod{Sidecars: []kubelet.Container{agent}, Containers: []kubelet.Container{main}, ShareProcessNamespace: true}
	o := docker.Options{Args: map[string][]string{"": append([]string{"--tmpfs", "/tmp"}, restricted...)}}
	r := rehearse(t, pod, o, kubelet.Scenario{})
	wantEvents(t, r, "Created", "Started", "Created", "Started", "Killing", "Killing")
	wantExit(t, r, "web", 0, 0)
	wantExit(t, r, "podhook", 0, 0)
	wantLogged(t, r, "web", "gracefully shutting down", 1)
	wantHookLogged(t, r, "podhook", "prestart")
	wantHookLogged(t, r, "podhook", "shutdown")
	wantLogged(t, r, "podhook", "begins, called by http", 2)
}

// podhook is a second process beside the workload, which is PID 1.
func TestServeAsSecondProcess(t *testing.T) {
	t.Parallel()
	c := web("web", built.Layer, "PODHOOK_MAIN=pid:1")
	c.Command = script("/podhook serve & exec nginx")
	c.PostStart, c.PreStop = execHook("/podhook", "prestart"), httpHook("8080", "/shutdown")
	r := rehearse(t, kubelet.Pod{Containers: []kubelet.Container{c}}, docker.Options{}, kubelet.Scenario{})
	wantExit(t, r, "web", 0, 0)
	wantHookLogged(t, r, "web", "prestart")
	wantHookLogged(t, r, "web", "shutdown")
	wantLogged(t, r, "web", "gracefully shutting down", 1)
}
