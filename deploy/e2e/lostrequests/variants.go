package main

import (
	"fmt"
	"time"

	"github.com/podhook/podhook/cmd/rehearse/docker"
	"github.com/podhook/podhook/cmd/rehearse/kubelet"
)

// server is a program that is stopped.
type server struct {
	name    string
	command []string
	// process is its name, and graceful the signal that lets it finish its work.
	process, graceful string
	// config is where its configuration is mounted, template the text of it.
	config, template string
}

// variant is one way to stop a server.
type variant struct {
	name    string
	podhook bool
	pod     func(b *bench, s server) (kubelet.Pod, docker.Options)
}

func variants() []variant {
	return []variant{
		{"bare", false, bare},
		{"preStop sleep 5", false, sleep5},
		{"podhook as init (a)", true, asInit},
		{"podhook installed (b)", true, installed},
		{"podhook as sidecar (d)", true, asSidecar},
	}
}

// steps are the steps of podhook's shutdown: wait for the withdrawal, stop gracefully, and
// wait for the requests in flight. If the sleep is not much longer than the withdrawal, a
// busy machine resets connections that it has not accepted yet.
func steps(s server) string {
	return fmt.Sprintf("PODHOOK_CONFIG_YAML=hooks: {shutdown: {steps: [{sleep: 5s}, {signal: %s}, {wait: {exit: main}}]}}", s.graceful)
}

// restricted are the arguments of every container: no root user, a read-only root.
func restricted(b *bench, s server) []string {
	return []string{
		"--read-only", "--user", "65532:65532", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
		"--tmpfs", "/tmp", "--volume", b.configs[s.name] + ":" + s.config + ":ro",
	}
}

func onePod(b *bench, s server, main kubelet.Container) (kubelet.Pod, docker.Options) {
	pod := kubelet.Pod{Name: s.name, GracePeriod: 30, RestartPolicy: kubelet.RestartAlways, Containers: []kubelet.Container{main}}
	return pod, docker.Options{PauseImage: b.images.Podhook, Args: map[string][]string{"": restricted(b, s)}}
}

// container is the server's, bare.
func container(b *bench, s server) kubelet.Container {
	return kubelet.Container{
		Name: s.name, Image: b.images.Web, Command: s.command,
		TerminationMessagePath: kubelet.DefaultTerminationMessagePath,
		Readiness:              probe("8000", "/fast", 1),
	}
}

func probe(port, path string, failures int) *kubelet.Probe {
	return &kubelet.Probe{
		HTTPGet: &kubelet.HTTPGet{Port: port, Path: path}, Period: 200 * time.Millisecond,
		Timeout: 5 * time.Second, FailureThreshold: failures, SuccessThreshold: 1,
	}
}

func bare(b *bench, s server) (kubelet.Pod, docker.Options) { return onePod(b, s, container(b, s)) }

func sleep5(b *bench, s server) (kubelet.Pod, docker.Options) {
	c := container(b, s)
	c.PreStop = &kubelet.Handler{Exec: []string{"sleep", "5"}}
	return onePod(b, s, c)
}

// asInit has no preStop: the stop signal runs shutdown.
func asInit(b *bench, s server) (kubelet.Pod, docker.Options) {
	c := container(b, s)
	c.Image = b.images.Layer
	c.Command, c.Args = nil, s.command
	c.Env = []string{steps(s)}
	return onePod(b, s, c)
}

func installed(b *bench, s server) (kubelet.Pod, docker.Options) {
	c := container(b, s)
	c.Env = []string{steps(s), "PODHOOK_MAIN=pid:1"}
	c.PreStop = &kubelet.Handler{Exec: []string{"/podhook-bin/podhook", "shutdown"}}
	pod, options := onePod(b, s, c)
	options.Args[""] = append(options.Args[""], "--volume", b.bin+":/podhook-bin:ro")
	return pod, options
}

func asSidecar(b *bench, s server) (kubelet.Pod, docker.Options) {
	c := container(b, s)
	c.PreStop = &kubelet.Handler{HTTPGet: &kubelet.HTTPGet{Port: "8080", Path: "/shutdown"}}
	pod, options := onePod(b, s, c)
	pod.ShareProcessNamespace = true
	options.ShareProcessNamespace = true
	pod.Sidecars = []kubelet.Container{{
		Name: "podhook", Image: b.images.Podhook, Args: []string{"serve"},
		Env: []string{steps(s), "PODHOOK_MAIN=name:" + s.process}, Startup: probe("8080", "/livez", 100),
	}}
	return pod, options
}
