package inject

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podhook/podhook/hooks/config"
	"go.yaml.in/yaml/v3"
)

// configuration is the file with the hooks that is made from handlers and probes.
type configuration struct {
	Ready []condition      `yaml:"ready,omitempty"`
	Hooks map[string]*hook `yaml:"hooks"`
}

type hook struct {
	Timeout string `yaml:"timeout"`
	Steps   []step `yaml:"steps"`
}

type step struct {
	Exec      argv     `yaml:"exec,omitempty"`
	HTTP      *request `yaml:"http,omitempty"`
	Sleep     string   `yaml:"sleep,omitempty"`
	Wait      *wait    `yaml:"wait,omitempty"`
	Timeout   string   `yaml:"timeout,omitempty"`
	OnFailure string   `yaml:"onFailure,omitempty"`
}

type wait struct {
	Quiet struct {
		Ports []int32 `yaml:"ports,flow"`
	} `yaml:"quiet,flow"`
}

type condition struct {
	TCP  string   `yaml:"tcp,omitempty"`
	HTTP *request `yaml:"http,omitempty"`
}

type request struct {
	URL                string            `yaml:"url"`
	Headers            map[string]string `yaml:"headers,omitempty"`
	Status             []string          `yaml:"status,omitempty,flow"`
	InsecureSkipVerify bool              `yaml:"insecureSkipVerify,omitempty"`
}

// MarshalYAML writes a request that is only a URL as that.
func (r *request) MarshalYAML() (any, error) {
	type long request
	if r.Headers == nil && r.Status == nil && !r.InsecureSkipVerify {
		return r.URL, nil
	}
	return (*long)(r), nil
}

// argv is on one line, unless it holds a script.
type argv []string

func (a argv) MarshalYAML() (any, error) {
	list := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, word := range a {
		var n yaml.Node
		n.SetString(word)
		if strings.Contains(word, "\n") {
			list.Style = 0
		}
		list.Content = append(list.Content, &n)
	}
	return list, nil
}

// Times of the hooks that are made.
const (
	// prestartTimeout bounds what had no limit as a postStart of kubelet.
	prestartTimeout = 10 * time.Minute
	// shutdownLeaves is what the grace period must be longer than shutdown: the margin of
	// PODHOOK_GRACE_MARGIN, and killAfter of a program.
	shutdownLeaves = 4 * time.Second
	// quietTimeout is how long the default shutdown waits at most for the last connection.
	quietTimeout = 15 * time.Second
)

// defaultShutdown waits until no new connection comes to the ports that the container
// declares. Without a port there is nothing that would make sense for every program.
func (p *podhook) defaultShutdown() []step {
	var quiet wait
	for _, port := range p.container.Ports {
		if port.Protocol == "" || port.Protocol == corev1.ProtocolTCP {
			quiet.Quiet.Ports = append(quiet.Quiet.Ports, port.ContainerPort)
		}
	}
	limit := min(quietTimeout, p.shutdownTimeout()/2)
	if quiet.Quiet.Ports == nil || limit < time.Second {
		return nil
	}
	return []step{{Wait: &quiet, Timeout: short(limit.Truncate(time.Second)), OnFailure: "ignore"}}
}

func (p *podhook) shutdownTimeout() time.Duration { return p.grace - shutdownLeaves }

// add gives a hook its steps.
func (c *configuration) add(name string, timeout time.Duration, steps []step) {
	if len(steps) > 0 {
		c.Hooks[name] = &hook{Timeout: short(timeout), Steps: steps}
	}
}

func (c *configuration) yaml() (string, error) {
	return marshal(c)
}

func marshal(v any) (string, error) {
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	encoder.CompactSeqIndent()
	err := encoder.Encode(v)
	return out.String(), err
}

// check returns what podhook would say about a file of hooks in the pod.
func check(name, text string, grace time.Duration) (warnings []config.Problem, err error) {
	cfg, problems := config.Inspect(config.Source{Text: text, TextName: name}, true)
	problems = append(problems, cfg.Hopeless()...)
	var errs []error
	for _, problem := range problems {
		errs = append(errs, problem)
	}
	const margin = 2 * time.Second // the default of PODHOOK_GRACE_MARGIN
	return append(cfg.Warnings, cfg.Check(grace, margin)...), errors.Join(errs...)
}

// configMap is the document that holds a file of hooks.
func configMap(name, namespace, hooks string) (string, error) {
	if !strings.HasSuffix(hooks, "\n") {
		hooks += "\n"
	}
	head, err := documentHead("v1", "ConfigMap", name, namespace)
	return fmt.Sprintf("%sdata:\n  podhook.yaml: |\n%s", head, indented(hooks, 4)), err
}

// documentHead is how a document begins.
func documentHead(version, kind, name, namespace string) (string, error) {
	head := struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string `yaml:"kind"`
		Metadata   struct {
			Name      string `yaml:"name"`
			Namespace string `yaml:"namespace,omitempty"`
		} `yaml:"metadata"`
	}{APIVersion: version, Kind: kind}
	head.Metadata.Name, head.Metadata.Namespace = name, namespace
	return marshal(head)
}
