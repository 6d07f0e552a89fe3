package inject

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podhook/podhook/cmd/kubectl-podhook/manifest"
	"github.com/podhook/podhook/hooks/config"
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

// present is the way in which the container has podhook, "" if it has none.
func (p *podhook) present() string {
	switch {
	case p.sidecar() != nil:
		return waySidecar
	case isPodhook(p.container.Command):
		return wayRun
	}
	for _, v := range p.pod.Spec.Volumes {
		switch {
		case v.Name == binVolume && v.Image != nil:
			return wayVolume
		case v.Name == binVolume:
			return wayInit
		}
	}
	if p.ownHandler(handlers(p.container).PreStop) {
		return wayRun // the image has podhook
	}
	return ""
}

// needsImage reports whether podhook's image is to be named.
func (p *podhook) needsImage() bool {
	switch p.way {
	case wayInit:
		return !p.hasInit()
	case waySidecar:
		return p.sidecar() == nil
	}
	return p.way == wayVolume && p.present() == ""
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

func (p *podhook) hasVolume(name string) bool {
	return slices.ContainsFunc(p.pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == name })
}

func isPodhook(command []string) bool { return len(command) > 0 && path.Base(command[0]) == "podhook" }

// sidecar is podhook's own container, nil if there is none.
func (p *podhook) sidecar() *corev1.Container {
	for i, c := range p.pod.Spec.InitContainers {
		if c.Name == sidecarName || hasEnv(&c, "PODHOOK_LISTEN") {
			return &p.pod.Spec.InitContainers[i]
		}
	}
	return nil
}

// host is the container that podhook runs in, nil for a sidecar that is to be added.
func (p *podhook) host() *corev1.Container {
	if p.way == waySidecar {
		return p.sidecar()
	}
	return p.container
}

// hasConfiguration reports whether a container has hooks from anywhere.
func hasConfiguration(c *corev1.Container) bool {
	return c != nil && (hasEnv(c, config.EnvFile) || hasEnv(c, config.EnvText) ||
		slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == config.DefaultDir }))
}

func hasEnv(c *corev1.Container, name string) bool {
	return slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool { return e.Name == name })
}

func handlers(c *corev1.Container) corev1.Lifecycle {
	if c.Lifecycle == nil {
		return corev1.Lifecycle{}
	}
	return *c.Lifecycle
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

// planHooks turns handlers and the probe into hooks.
func (p *podhook) planHooks() error {
	life := handlers(p.container)
	prestart, err := p.stepsOf("lifecycle.postStart", config.Prestart, life.PostStart)
	if err != nil {
		return err
	}
	shutdown, err := p.stepsOf("lifecycle.preStop", config.Shutdown, life.PreStop)
	if err != nil {
		return err
	}
	p.postStart, p.preStop = p.ownHandler(life.PostStart), p.ownHandler(life.PreStop)
	if p.way == wayRun && len(prestart) > 0 && len(p.container.Command) == 0 {
		return p.wrong("lifecycle.postStart", "as prestart of the image's entrypoint it would run before the application, and not beside it: write the container's command, so that podhook can be told")
	}
	if life.PreStop == nil && !p.givenHooks() {
		shutdown = p.defaultShutdown()
	}
	limit := prestartTimeout
	if life.PostStart != nil && life.PostStart.Sleep != nil {
		limit += time.Duration(life.PostStart.Sleep.Seconds) * time.Second
	}
	p.hooks.add(config.Prestart, limit, prestart)
	p.hooks.add(config.Shutdown, p.shutdownTimeout(), shutdown)
	p.planProbe()
	return nil
}

// givenHooks reports whether the hooks are not to be made here.
func (p *podhook) givenHooks() bool {
	return p.configured || p.options.config != "" || p.given != ""
}

// ownHandler reports whether a handler calls podhook.
func (p *podhook) ownHandler(h *corev1.LifecycleHandler) bool {
	switch {
	case h == nil:
		return false
	case h.Exec != nil:
		return isPodhook(h.Exec.Command)
	case h.HTTPGet == nil:
		return false
	}
	for _, c := range []*corev1.Container{p.container, p.sidecar()} {
		if port, err := p.port("", h.HTTPGet.Port); c != nil && err == nil && listensOn(c, port) {
			return true
		}
	}
	return false
}

func listensOn(c *corev1.Container, port int) bool {
	return slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool {
		return (e.Name == "PODHOOK_LISTEN" || e.Name == "PODHOOK_METRICS_LISTEN") && strings.HasSuffix(e.Value, fmt.Sprintf(":%d", port))
	})
}

func (p *podhook) stepsOf(field, hook string, h *corev1.LifecycleHandler) ([]step, error) {
	if h == nil || p.ownHandler(h) {
		return nil, nil
	}
	made, err := p.stepOf(field, h)
	var m *mistake
	if errors.As(err, &m) {
		err = p.wrong(m.field, m.message)
	}
	if made == nil || err != nil {
		return nil, err
	}
	if p.givenHooks() {
		text, err := marshal([]step{*made})
		if err != nil {
			return nil, err
		}
		return nil, p.wrong(field, "podhook would take its place, and the configuration is given: add this to the steps of hooks."+
			hook+" there, and take it out here:\n"+strings.TrimSuffix(text, "\n"))
	}
	return []step{*made}, nil
}

// planProbe decides what becomes of the readiness probe. A sidecar has one of its own, and
// the pod is ready when both are. A Job serves nobody.
func (p *podhook) planProbe() {
	probe := p.container.ReadinessProbe
	switch {
	case p.way == waySidecar, p.document.Kind == "Job", p.document.Kind == "CronJob":
	case probe == nil:
		p.probe = true
	case probe.Exec != nil && isPodhook(probe.Exec.Command),
		probe.HTTPGet != nil && p.ownHandler(&corev1.LifecycleHandler{HTTPGet: probe.HTTPGet}):
	case p.givenHooks():
		p.note("readinessProbe: it stays as it is, because the configuration is given: to let podhook ready take its place, write its condition under ready there")
	default:
		made, why := p.conditionOf(probe)
		if made == nil {
			p.note("readinessProbe: it stays as it is: %s", why)
			return
		}
		p.probe = true
		p.hooks.Ready = append(p.hooks.Ready, *made)
	}
}
