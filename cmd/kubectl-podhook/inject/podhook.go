package inject

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podhook/podhook/cmd/kubectl-podhook/manifest"
)

// podhook is what one workload gets.
type podhook struct {
	*options
	document  manifest.Document
	all       []manifest.Document // of the file
	pod       *corev1.PodTemplateSpec
	container *corev1.Container
	index     int // of the container
	way       string
	grace     time.Duration
	main      string // PODHOOK_MAIN

	// own are the handlers that were podhook's before, by their fields.
	postStart, preStop bool
	// probe says that the readiness probe becomes podhook ready.
	probe bool
	hooks configuration
	// given is the name of a ConfigMap that exists, "" if one is to be made.
	given string
	// configured says that the container has a configuration already.
	configured bool
	notes      []string
}

func (p *podhook) note(format string, args ...any) {
	p.notes = append(p.notes, fmt.Sprintf(format, args...))
}

// plan finds out what a workload lacks. It changes nothing.
func plan(o *options, d manifest.Document, all []manifest.Document) (*podhook, error) {
	p := &podhook{options: o, document: d, all: all, pod: d.Pod, hooks: configuration{Hooks: map[string]*hook{}}}
	spec := &d.Pod.Spec
	p.grace = 30 * time.Second // the API server's default
	if s := spec.TerminationGracePeriodSeconds; s != nil {
		p.grace = time.Duration(*s) * time.Second
	}
	if err := p.choose(); err != nil || p.container == nil {
		return nil, err
	}
	switch present := p.present(); {
	case present != "" && o.way != "" && o.way != present:
		return nil, p.wrong("", "it has podhook already, in the way of --way "+present)
	default:
		p.way = cmp.Or(o.way, present, wayInit)
	}
	switch {
	case spec.OS != nil && spec.OS.Name == corev1.Windows:
		return nil, p.wrong("", "podhook does not run on Windows")
	case p.shutdownTimeout() < time.Second:
		return nil, p.wrong("", fmt.Sprintf("terminationGracePeriodSeconds: %d leaves no time for shutdown: write at least 5", int(p.grace.Seconds())))
	}
	if err := p.findMain(); err != nil {
		return nil, err
	}
	if p.image == "" && p.needsImage() {
		return nil, p.wrong("", "podhook's image is needed: write --image IMAGE (make image builds it)")
	}
	p.configured = hasConfiguration(p.host())
	if p.given = o.configMap; p.given == "" && o.config == "" && slices.ContainsFunc(all, p.isConfigMap) {
		p.given = p.configMapName()
	}
	return p, p.planHooks()
}

// short writes a duration without its zeros.
func short(d time.Duration) string {
	text := d.String()
	for _, zeros := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zeros) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// choose finds the container. It leaves p.container nil if another workload may have the
// one that --container names.
func (p *podhook) choose() error {
	var names []string
	for i := range p.pod.Spec.Containers {
		c := &p.pod.Spec.Containers[i]
		if names = append(names, c.Name); p.options.container == c.Name || p.options.container == "" {
			p.container, p.index = c, i
		}
	}
	if len(names) == 0 {
		return &manifest.Error{File: p.document.File, Line: p.document.Line, Message: p.document.String() + " has no containers"}
	}
	if p.options.container == "" && len(names) > 1 {
		return &manifest.Error{File: p.document.File, Line: p.document.Line, Message: fmt.Sprintf(
			"%s has the containers %s: choose one with --container", p.document, strings.Join(names, ", "))}
	}
	return nil
}

// wrong is an error about a field of the container.
func (p *podhook) wrong(field, message string) error {
	at := "containers[" + fmt.Sprint(p.index) + "]"
	if field != "" {
		message = field + ": " + message
		at += "." + field
	}
	return &manifest.Error{File: p.document.File, Line: p.document.LineOf(at),
		Message: p.document.String() + ", container " + p.container.Name + ": " + message}
}

// isConfigMap reports whether a document is the ConfigMap that would be made.
func (p *podhook) isConfigMap(d manifest.Document) bool {
	return d.ConfigMap != nil && d.Name == p.configMapName() && d.Namespace == p.document.Namespace
}

// configMapName is the name of the ConfigMap that would be made.
func (p *podhook) configMapName() string {
	return p.document.Name + strings.TrimPrefix(p.configVolume(), configVolume) + configMapSuffix
}

// configVolume is the volume with the hooks. A second container of the Pod has its own.
func (p *podhook) configVolume() string {
	if !p.configured && p.hasVolume(configVolume) {
		return configVolume + "-" + p.container.Name
	}
	return configVolume
}

// findMain sets how podhook finds the main process.
func (p *podhook) findMain() error {
	spec := &p.pod.Spec
	command := p.container.Command
	switch {
	case p.way == wayRun:
		return nil // podhook run knows it
	case p.way != waySidecar && (spec.HostPID || spec.ShareProcessNamespace != nil && *spec.ShareProcessNamespace):
		if p.main = p.options.main; p.main == "" && !hasEnv(p.container, "PODHOOK_MAIN") {
			p.note("process 1 is not the application, because the containers share their processes; for steps that signal it or wait for its end, write --main name:PROGRAM")
		}
		return nil
	case p.way != waySidecar:
		p.main = cmp.Or(p.options.main, "pid:1")
		return nil
	case spec.HostPID:
		return p.wrong("", "a sidecar needs shareProcessNamespace, which cannot be beside hostPID: use --way init or volume")
	case p.sidecar() != nil:
		return nil
	}
	p.main = p.options.main
	if p.main == "" && len(command) > 0 && !slices.Contains([]string{"sh", "bash", "ash", "dash", "env"}, path.Base(command[0])) {
		p.main = "name:" + path.Base(command[0])
	}
	if p.main == "" {
		return p.wrong("", "a sidecar must see the application's process, or it drains for ever after a restart of the container: write --main name:PROGRAM")
	}
	return nil
}
