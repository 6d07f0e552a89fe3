package rehearse

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse/kubelet"
	"go.yaml.in/yaml/v3"
)

// object is a Pod, or a workload with a Pod template.
type object struct {
	Kind     string `yaml:"kind"`
	Metadata struct {
		Name string `yaml:"name"`
	} `yaml:"metadata"`
	Spec struct {
		podSpec  `yaml:",inline"`
		Template struct {
			Spec podSpec `yaml:"spec"`
		} `yaml:"template"`
	} `yaml:"spec"`
}

type podSpec struct {
	Containers            []container `yaml:"containers"`
	InitContainers        []container `yaml:"initContainers"`
	GracePeriod           *int64      `yaml:"terminationGracePeriodSeconds"`
	RestartPolicy         string      `yaml:"restartPolicy"`
	HostNetwork           bool        `yaml:"hostNetwork"`
	ShareProcessNamespace bool        `yaml:"shareProcessNamespace"`
}

type container struct {
	Name          string   `yaml:"name"`
	Image         string   `yaml:"image"`
	Command       []string `yaml:"command"`
	Args          []string `yaml:"args"`
	WorkingDir    string   `yaml:"workingDir"`
	RestartPolicy string   `yaml:"restartPolicy"`
	RestartRules  []struct {
		Action    string `yaml:"action"`
		ExitCodes struct {
			Operator string `yaml:"operator"`
			Values   []int  `yaml:"values"`
		} `yaml:"exitCodes"`
	} `yaml:"restartPolicyRules"`
	Env []struct {
		Name  string `yaml:"name"`
		Value string `yaml:"value"`
	} `yaml:"env"`
	Ports []struct {
		Name          string `yaml:"name"`
		ContainerPort int    `yaml:"containerPort"`
	} `yaml:"ports"`
	Lifecycle struct {
		PostStart  *handler `yaml:"postStart"`
		PreStop    *handler `yaml:"preStop"`
		StopSignal string   `yaml:"stopSignal"`
	} `yaml:"lifecycle"`
	Startup                *probe         `yaml:"startupProbe"`
	Readiness              *probe         `yaml:"readinessProbe"`
	Liveness               *probe         `yaml:"livenessProbe"`
	TerminationMessagePath string         `yaml:"terminationMessagePath"`
	Other                  map[string]any `yaml:",inline"`
}

type handler struct {
	Exec *struct {
		Command []string `yaml:"command"`
	} `yaml:"exec"`
	HTTPGet *httpGet `yaml:"httpGet"`
	Sleep   *struct {
		Seconds int64 `yaml:"seconds"`
	} `yaml:"sleep"`
	TCPSocket *struct {
		Port string `yaml:"port"`
	} `yaml:"tcpSocket"`
	GRPC map[string]any `yaml:"grpc"`
}

type httpGet struct {
	Host    string `yaml:"host"`
	Port    string `yaml:"port"`
	Path    string `yaml:"path"`
	Scheme  string `yaml:"scheme"`
	Headers []struct {
		Name  string `yaml:"name"`
		Value string `yaml:"value"`
	} `yaml:"httpHeaders"`
}

type probe struct {
	handler          `yaml:",inline"`
	InitialDelay     int64  `yaml:"initialDelaySeconds"`
	Period           int64  `yaml:"periodSeconds"`
	Timeout          int64  `yaml:"timeoutSeconds"`
	FailureThreshold int    `yaml:"failureThreshold"`
	SuccessThreshold int    `yaml:"successThreshold"`
	GracePeriod      *int64 `yaml:"terminationGracePeriodSeconds"`
}

// readManifest reads the first object that has a pod. If only is not empty, the pod has
// only that container. The notes name what a rehearsal ignores.
func readManifest(path, only string) (kubelet.Pod, []string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return kubelet.Pod{}, nil, err
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var o object
		err := decoder.Decode(&o)
		if errors.Is(err, io.EOF) {
			return kubelet.Pod{}, nil, fmt.Errorf("%s: no Pod or workload with containers", path)
		}
		if err != nil {
			return kubelet.Pod{}, nil, fmt.Errorf("%s: %w", path, err)
		}
		spec := o.Spec.podSpec
		if len(spec.Containers) == 0 {
			spec = o.Spec.Template.Spec
		}
		if len(spec.Containers) > 0 {
			pod, notes, err := spec.pod(o.Metadata.Name, only)
			if err != nil {
				err = fmt.Errorf("%s: %w", path, err)
			}
			return pod, notes, err
		}
	}
}

func (s podSpec) pod(name, only string) (kubelet.Pod, []string, error) {
	pod := kubelet.Pod{
		Name: name, GracePeriod: 30, RestartPolicy: kubelet.RestartAlways,
		HostNetwork: s.HostNetwork, ShareProcessNamespace: s.ShareProcessNamespace,
	}
	if s.GracePeriod != nil {
		pod.GracePeriod = *s.GracePeriod
	}
	if s.RestartPolicy != "" {
		pod.RestartPolicy = kubelet.RestartPolicy(s.RestartPolicy)
	}
	var notes []string
	for _, c := range s.InitContainers {
		switch {
		case only != "" && c.Name != only:
		case c.RestartPolicy != "Always" && only == "":
			notes = append(notes, "init container "+c.Name+" is not rehearsed: only native sidecars are")
		case only == "":
			if err := c.addTo(&pod.Sidecars, &notes); err != nil {
				return pod, nil, err
			}
		default:
			if err := c.addTo(&pod.Containers, &notes); err != nil {
				return pod, nil, err
			}
		}
	}
	for _, c := range s.Containers {
		if only == "" || c.Name == only {
			if err := c.addTo(&pod.Containers, &notes); err != nil {
				return pod, nil, err
			}
		}
	}
	if len(pod.Containers) == 0 {
		return pod, nil, fmt.Errorf("--container %s: the pod has no such container", only)
	}
	return pod, notes, nil
}

func (c container) addTo(to *[]kubelet.Container, notes *[]string) error {
	made, err := c.container()
	if err != nil {
		return fmt.Errorf("container %s: %w", c.Name, err)
	}
	var ignored []string
	for field := range c.Other {
		if field != "imagePullPolicy" {
			ignored = append(ignored, field)
		}
	}
	if sort.Strings(ignored); len(ignored) > 0 {
		*notes = append(*notes, "container "+c.Name+": not rehearsed: "+strings.Join(ignored, ", "))
	}
	*to = append(*to, made)
	return nil
}

func (c container) container() (kubelet.Container, error) {
	k := kubelet.Container{
		Name: c.Name, Image: c.Image, WorkingDir: c.WorkingDir, Ports: map[string]int{},
		TerminationMessagePath: c.TerminationMessagePath,
	}
	if len(c.Command) > 0 {
		k.Command = append(append(k.Command, c.Command...), c.Args...)
	} else {
		k.Args = c.Args // of the image's own command
	}
	if k.TerminationMessagePath == "" {
		k.TerminationMessagePath = kubelet.DefaultTerminationMessagePath
	}
	for _, e := range c.Env {
		k.Env = append(k.Env, e.Name+"="+e.Value)
	}
	for _, p := range c.Ports {
		k.Ports[p.Name] = p.ContainerPort
	}
	k.RestartPolicy = kubelet.RestartPolicy(c.RestartPolicy)
	var errs [7]error
	for i, r := range c.RestartRules {
		rule := kubelet.RestartRule{Action: kubelet.RestartAction(r.Action), Codes: r.ExitCodes.Values, Not: r.ExitCodes.Operator == "NotIn"}
		if !rule.Action.Known() {
			errs[6] = fmt.Errorf("restartPolicyRules[%d].action %s: Restart or RestartAllContainers is needed", i, r.Action)
		}
		k.RestartRules = append(k.RestartRules, rule)
	}
	k.PostStart, errs[0] = c.Lifecycle.PostStart.hook("lifecycle.postStart")
	k.PreStop, errs[1] = c.Lifecycle.PreStop.hook("lifecycle.preStop")
	k.Startup, errs[2] = c.Startup.probe("startupProbe")
	k.Readiness, errs[3] = c.Readiness.probe("readinessProbe")
	k.Liveness, errs[4] = c.Liveness.probe("livenessProbe")
	if c.Lifecycle.StopSignal != "" {
		k.StopSignal, errs[5] = parseSignal(c.Lifecycle.StopSignal)
	}
	return k, errors.Join(errs[:]...)
}

func (h *handler) hook(field string) (*kubelet.Handler, error) {
	switch {
	case h == nil:
		return nil, nil
	case h.Exec != nil && len(h.Exec.Command) > 0:
		return &kubelet.Handler{Exec: h.Exec.Command}, nil
	case h.HTTPGet != nil:
		return &kubelet.Handler{HTTPGet: h.HTTPGet.get()}, nil
	case h.Sleep != nil:
		d := time.Duration(h.Sleep.Seconds) * time.Second
		return &kubelet.Handler{Sleep: &d}, nil
	}
	return nil, fmt.Errorf("%s: exec, httpGet or sleep is needed", field)
}

func (p *probe) probe(field string) (*kubelet.Probe, error) {
	if p == nil {
		return nil, nil
	}
	k := &kubelet.Probe{
		InitialDelay:     time.Duration(p.InitialDelay) * time.Second,
		Period:           time.Duration(max(p.Period, 0)) * time.Second,
		Timeout:          time.Duration(max(p.Timeout, 1)) * time.Second,
		FailureThreshold: p.FailureThreshold, SuccessThreshold: max(p.SuccessThreshold, 1),
		GracePeriod: p.GracePeriod,
	}
	if k.Period == 0 {
		k.Period = 10 * time.Second
	}
	if k.FailureThreshold == 0 {
		k.FailureThreshold = 3
	}
	switch {
	case p.Exec != nil && len(p.Exec.Command) > 0:
		k.Exec = p.Exec.Command
	case p.HTTPGet != nil:
		k.HTTPGet = p.HTTPGet.get()
	case p.TCPSocket != nil:
		k.TCPPort = p.TCPSocket.Port
	default:
		return nil, fmt.Errorf("%s: exec, httpGet or tcpSocket is needed (grpc is not rehearsed)", field)
	}
	return k, nil
}

func (g *httpGet) get() *kubelet.HTTPGet {
	get := &kubelet.HTTPGet{Host: g.Host, Port: g.Port, Path: g.Path, Scheme: g.Scheme}
	if get.Path == "" {
		get.Path = "/" // the API server's default
	}
	for _, h := range g.Headers {
		get.Headers = append(get.Headers, kubelet.Header{Name: h.Name, Value: h.Value})
	}
	return get
}
