package main

import (
	"time"

	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse/docker"
	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse/kubelet"
)

// server is a program that is stopped.
type server struct {
	name    string
	command []string
	// process is its name, and graceful the signal that lets it finish its work, or "".
	process, graceful string
	// file is where its configuration is mounted, template the text of that. Without a
	// template the program is mounted there.
	file, template string
}

// variant is one way to stop a server.
type variant struct {
	name    string
	podhook bool
	// pod makes the pod of the nth stop.
	pod func(b *bench, s server, n int) (kubelet.Pod, docker.Options)
}

func variants() []variant {
	return []variant{
		{"bare", false, bare},
		{"preStop sleep 5", false, sleep5},
		{"native sleep 5", false, nativeSleep5},
		{"podhook, by facts", true, byFacts},
	}
}

// byFacts takes podhook's ways in turn.
func byFacts(b *bench, s server, n int) (kubelet.Pod, docker.Options) {
	ways := []func(*bench, server) (kubelet.Pod, docker.Options){asInit, installed, asSidecar}
	return ways[n%len(ways)](b, s)
}

// steps are the steps of podhook's shutdown: wait until no new connection comes, stop
// gracefully where the server can do that, and wait for the connections that are left.
// The agent is not ready before the server listens.
func steps(s server) string {
	signal := ""
	if s.graceful != "" {
		signal = "{signal: " + s.graceful + "}, "
	}
	return "PODHOOK_CONFIG_YAML={ready: [{tcp: '127.0.0.1:8000'}], hooks: {shutdown: {steps: [" +
		"{wait: {quiet: {port: 8000}}}, " + signal + "{wait: {connections: {port: 8000}}}]}}}"
}

// restricted are the arguments of every container: no root user, a read-only root.
func restricted(b *bench, s server) []string {
	return []string{
		"--read-only", "--user", "65532:65532", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
		"--tmpfs", "/tmp", "--volume", b.files[s.name] + ":" + s.file + ":ro",
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

func bare(b *bench, s server, _ int) (kubelet.Pod, docker.Options) {
	return onePod(b, s, container(b, s))
}

func sleep5(b *bench, s server, _ int) (kubelet.Pod, docker.Options) {
	c := container(b, s)
	c.PreStop = &kubelet.Handler{Exec: []string{"sleep", "5"}}
	return onePod(b, s, c)
}

func nativeSleep5(b *bench, s server, _ int) (kubelet.Pod, docker.Options) {
	c := container(b, s)
	five := 5 * time.Second
	c.PreStop = &kubelet.Handler{Sleep: &five}
	return onePod(b, s, c)
}

// asInit has no preStop: the stop signal runs shutdown. As in podhook's other ways, probes
// do not go to the server's own port: here they come from the address of the clients, and
// more often than kubelet can.
func asInit(b *bench, s server) (kubelet.Pod, docker.Options) {
	c := container(b, s)
	c.Image = b.images.Layer
	c.Command, c.Args = nil, s.command
	c.Env = []string{steps(s), "PODHOOK_LISTEN=:8080"}
	c.Readiness = probe("8080", "/readyz", 1)
	return onePod(b, s, c)
}

func installed(b *bench, s server) (kubelet.Pod, docker.Options) {
	c := container(b, s)
	c.Env = []string{steps(s), "PODHOOK_MAIN=pid:1"}
	c.Readiness = &kubelet.Probe{
		Exec:   []string{"/podhook-bin/podhook", "wait", "--tcp", "127.0.0.1:8000", "--timeout", "0s"},
		Period: time.Second, Timeout: 5 * time.Second, FailureThreshold: 1, SuccessThreshold: 1,
	}
	c.PreStop = &kubelet.Handler{Exec: []string{"/podhook-bin/podhook", "shutdown"}}
	pod, options := onePod(b, s, c)
	options.Args[""] = append(options.Args[""], "--volume", b.bin+":/podhook-bin:ro")
	return pod, options
}

func asSidecar(b *bench, s server) (kubelet.Pod, docker.Options) {
	c := container(b, s)
	c.PreStop = &kubelet.Handler{HTTPGet: &kubelet.HTTPGet{Port: "8080", Path: "/shutdown"}}
	c.Readiness = probe("8080", "/readyz", 1)
	pod, options := onePod(b, s, c)
	pod.ShareProcessNamespace = true
	options.ShareProcessNamespace = true
	pod.Sidecars = []kubelet.Container{{
		Name: "podhook", Image: b.images.Podhook, Args: []string{"serve"},
		Env: []string{steps(s), "PODHOOK_MAIN=name:" + s.process}, Startup: probe("8080", "/livez", 100),
	}}
	return pod, options
}
