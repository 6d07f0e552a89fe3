package rehearse

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse/kubelet"
	"golang.org/x/sys/unix"
)

// pod returns the pod of the manifest and the flags. The notes name what a rehearsal
// ignores.
func (o *options) pod() (kubelet.Pod, []string, error) {
	pod := kubelet.Pod{
		Name: "rehearsed", GracePeriod: o.grace, RestartPolicy: kubelet.RestartPolicy(o.restartPolicy),
		Containers: []kubelet.Container{{Name: "main"}},
	}
	var notes []string
	if o.manifest != "" {
		var err error
		if pod, notes, err = readManifest(o.manifest, o.container); err != nil {
			return pod, nil, err
		}
	} else if o.container != "" {
		pod.Containers[0].Name = o.container
	}
	if o.given["grace"] {
		pod.GracePeriod = o.grace
	}
	if o.given["restart-policy"] {
		pod.RestartPolicy = kubelet.RestartPolicy(o.restartPolicy)
	}
	pod.HostNetwork = pod.HostNetwork || o.hostNetwork
	pod.ShareProcessNamespace = pod.ShareProcessNamespace || o.shareProcesses
	if err := o.addContainers(&pod); err != nil {
		return pod, nil, err
	}
	return pod, notes, o.checkPod(pod)
}

// addContainers applies the flags to the first ordinary container, and adds the
// containers that flags describe.
func (o *options) addContainers(pod *kubelet.Pod) error {
	first := &pod.Containers[0]
	if len(o.command) > 0 {
		first.Command = o.command
	}
	if o.docker.Image != "" {
		first.Image = o.docker.Image
	}
	if err := o.containerFlags.apply(first, o.given); err != nil {
		return err
	}
	taken := map[string]bool{}
	for _, c := range everyContainer(*pod) {
		taken[c.Name] = true
	}
	add := func(flag string, texts list, to *[]kubelet.Container) error {
		for _, text := range texts {
			argv, err := parseArgv(flag, text)
			if err != nil {
				return err
			}
			base := filepath.Base(argv[0])
			name := base
			for i := 2; taken[name]; i++ {
				name = fmt.Sprintf("%s-%d", base, i)
			}
			taken[name] = true
			*to = append(*to, kubelet.Container{
				Name: name, Command: argv, TerminationMessagePath: kubelet.DefaultTerminationMessagePath,
			})
		}
		return nil
	}
	return errors.Join(add("sidecar", o.sidecars, &pod.Sidecars), add("second", o.seconds, &pod.Containers))
}

func (o *options) checkPod(pod kubelet.Pod) error {
	for _, c := range everyContainer(pod) {
		if len(c.Command) == 0 && o.runtime == "local" {
			return fmt.Errorf("container %s: no command (an image's own is not known here): give it after --", c.Name)
		}
	}
	if name := o.scenario.RestartContainer; name != "" && !slices.ContainsFunc(everyContainer(pod), func(c kubelet.Container) bool { return c.Name == name }) {
		return fmt.Errorf("--restart-container %s: the pod has no such container", name)
	}
	return nil
}

// everyContainer returns the sidecars and the ordinary containers.
func everyContainer(pod kubelet.Pod) []kubelet.Container {
	return slices.Concat(pod.Sidecars, pod.Containers)
}

// apply sets the fields of the container whose flags were given.
func (f *containerFlags) apply(c *kubelet.Container, given map[string]bool) error {
	c.Env = append(c.Env, f.env...)
	for _, env := range f.env {
		if !strings.Contains(env, "=") {
			return fmt.Errorf("--env %s: KEY=VALUE is needed", env)
		}
	}
	if given["working-dir"] {
		c.WorkingDir = f.workingDir
	}
	if given["termination-log"] || c.TerminationMessagePath == "" {
		c.TerminationMessagePath = f.terminationPath
	}
	for _, text := range f.restartRules {
		rule, err := parseRestartRule(text)
		if err != nil {
			return err
		}
		c.RestartRules = append(c.RestartRules, rule)
	}
	if given["stop-signal"] {
		sig, err := parseSignal(f.stopSignal)
		if err != nil {
			return fmt.Errorf("--stop-signal %w", err)
		}
		c.StopSignal = sig
	}
	return errors.Join(f.applyHooks(c), f.applyProbes(c))
}

func (f *containerFlags) applyHooks(c *kubelet.Container) error {
	headers, err := parseHeaders(f.headers)
	if err != nil {
		return err
	}
	postStart, err := oneHandler("post-start", f.postStartExec, f.postStartHTTP, 0, headers)
	if err != nil {
		return err
	}
	preStop, err := oneHandler("pre-stop", f.preStopExec, f.preStopHTTP, f.preStopSleep, headers)
	if err != nil {
		return err
	}
	if postStart != nil {
		c.PostStart = postStart
	}
	if preStop != nil {
		c.PreStop = preStop
	}
	return nil
}

func (f *containerFlags) applyProbes(c *kubelet.Container) error {
	headers, err := parseHeaders(f.headers)
	if err != nil {
		return err
	}
	for _, p := range []struct {
		name, exec, http string
		to               **kubelet.Probe
	}{{"readiness", f.readinessExec, f.readinessHTTP, &c.Readiness}, {"liveness", f.livenessExec, f.livenessHTTP, &c.Liveness}} {
		handler, err := oneHandler(p.name, p.exec, p.http, 0, headers)
		if err != nil {
			return err
		}
		if handler != nil {
			*p.to = &kubelet.Probe{
				Exec: handler.Exec, HTTPGet: handler.HTTPGet, Period: f.period, Timeout: f.timeout,
				FailureThreshold: 3, SuccessThreshold: 1,
			}
		}
	}
	return nil
}

// oneHandler returns the hook or probe of a group of flags, or nil if none is given.
func oneHandler(name, exec, http string, sleep time.Duration, headers []kubelet.Header) (*kubelet.Handler, error) {
	var found []*kubelet.Handler
	if exec != "" {
		argv, err := parseArgv(name+"-exec", exec)
		if err != nil {
			return nil, err
		}
		found = append(found, &kubelet.Handler{Exec: argv})
	}
	if http != "" {
		get, err := parseHTTP(name+"-http", http)
		if err != nil {
			return nil, err
		}
		get.Headers = headers
		found = append(found, &kubelet.Handler{HTTPGet: get})
	}
	if sleep > 0 {
		found = append(found, &kubelet.Handler{Sleep: &sleep})
	}
	switch len(found) {
	case 0:
		return nil, nil
	case 1:
		return found[0], nil
	}
	return nil, fmt.Errorf("--%s-...: only one kind of handler is allowed", name)
}

// parseArgv accepts words without quoting, or a JSON list.
func parseArgv(flag, text string) ([]string, error) {
	argv := strings.Fields(text)
	if strings.HasPrefix(text, "[") {
		argv = nil
		if err := json.Unmarshal([]byte(text), &argv); err != nil {
			return nil, fmt.Errorf("--%s %s: words or a JSON list of strings are needed: %w", flag, text, err)
		}
	}
	if len(argv) == 0 {
		return nil, fmt.Errorf("--%s: a command is needed", flag)
	}
	return argv, nil
}

// parseHTTP accepts PORT/PATH and http(s)://[HOST]:PORT/PATH.
func parseHTTP(flag, text string) (*kubelet.HTTPGet, error) {
	get := &kubelet.HTTPGet{Scheme: "HTTP"}
	rest := strings.TrimPrefix(text, "http://")
	if r, ok := strings.CutPrefix(text, "https://"); ok {
		get.Scheme, rest = "HTTPS", r
	}
	address, path, _ := strings.Cut(rest, "/")
	get.Path, get.Port = "/"+path, address
	if i := strings.LastIndexByte(address, ':'); i >= 0 {
		get.Host, get.Port = strings.Trim(address[:i], "[]"), address[i+1:]
	}
	if get.Port == "" {
		return nil, fmt.Errorf("--%s %s: PORT/PATH or http(s)://[HOST]:PORT/PATH is needed", flag, text)
	}
	return get, nil
}

func parseHeaders(texts []string) ([]kubelet.Header, error) {
	var headers []kubelet.Header
	for _, text := range texts {
		name, value, ok := strings.Cut(text, ":")
		if !ok || name == "" {
			return nil, errors.New("--header: NAME: VALUE is needed") // the text may be a token
		}
		headers = append(headers, kubelet.Header{Name: name, Value: strings.TrimSpace(value)})
	}
	return headers, nil
}

// parseRestartRule accepts ACTION=CODE,CODE.
func parseRestartRule(text string) (kubelet.RestartRule, error) {
	action, codes, _ := strings.Cut(text, "=")
	rule := kubelet.RestartRule{Action: kubelet.RestartAction(action)}
	known := rule.Action.Known()
	for _, code := range strings.Split(codes, ",") {
		n, err := strconv.Atoi(code)
		if known = known && err == nil; known {
			rule.Codes = append(rule.Codes, n)
		}
	}
	if !known {
		return rule, fmt.Errorf("--restart-rule %s: Restart=CODES or RestartAllContainers=CODES is needed", text)
	}
	return rule, nil
}

func parseSignal(name string) (syscall.Signal, error) {
	full := strings.ToUpper(name)
	if !strings.HasPrefix(full, "SIG") {
		full = "SIG" + full
	}
	if sig := unix.SignalNum(full); sig != 0 {
		return sig, nil
	}
	return 0, fmt.Errorf("%s: the name of a signal is needed, such as SIGQUIT", name)
}
