package inject

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/podhook/podhook/hooks/config"
	"go.yaml.in/yaml/v3"
)

// The ways in which a container gets podhook.
const (
	wayInit    = "init"
	wayVolume  = "volume"
	waySidecar = "sidecar"
	wayRun     = "run"
)

// Names of what a pod gets.
const (
	binVolume    = "podhook-bin"
	configVolume = "podhook-config"
	installName  = "podhook-install"
	sidecarName  = "podhook"
	binDir       = "/podhook-bin"
)

// Depths of the places in a pod that are changed.
const (
	inSpec = iota
	inSpecList
	inContainer
	inContainerField
)

// secure is the securityContext of a container with podhook alone. It satisfies Pod Security
// "restricted" with what the Pod has for all its containers.
func (p *podhook) secure() string {
	text := `
  securityContext:
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    capabilities: {drop: [ALL]}`
	var all corev1.PodSecurityContext
	if p.pod.Spec.SecurityContext != nil {
		all = *p.pod.Spec.SecurityContext
	}
	if all.RunAsNonRoot == nil && all.RunAsUser == nil { // podhook's image has user 65532
		text += "\n    runAsNonRoot: true"
	}
	if all.SeccompProfile == nil {
		text += "\n    seccompProfile: {type: RuntimeDefault}"
	}
	return text
}

// write adds what the workload lacks to the text. configMap is the name of the ConfigMap
// with the hooks.
func (p *podhook) write(e *editor, configMap string) error {
	spec, container, err := p.nodes()
	if err != nil {
		return err
	}
	if p.way == waySidecar {
		err = p.writeSidecar(e, spec, container)
	} else {
		err = p.writeContainer(e, container)
	}
	if err != nil {
		return err
	}
	if p.way == wayInit && !p.hasInit() {
		if err := e.append(spec, "initContainers", inSpec, fmt.Sprintf(`- name: %s
  image: %s
  args: [install, %s]
  resources:
    limits: {memory: 64Mi}%s
  volumeMounts:
  - {name: %s, mountPath: %s}`, installName, scalar(p.image), binDir, p.secure(), binVolume, binDir)); err != nil {
			return err
		}
	}
	return e.append(spec, "volumes", inSpec, p.volumes(configMap)...)
}

func (p *podhook) hasInit() bool {
	return slices.ContainsFunc(p.pod.Spec.InitContainers, func(c corev1.Container) bool { return c.Name == installName })
}

// nodes finds the pod's spec and the container, and refuses what other places share.
func (p *podhook) nodes() (spec, container *yaml.Node, err error) {
	spec = p.document.Node
	for name := range strings.SplitSeq(strings.TrimPrefix(p.document.PodPath+".spec", "."), ".") {
		if err = shared(spec); err == nil {
			_, spec = fieldOf(spec, name)
		}
		if err != nil || spec == nil {
			return nil, nil, cmp.Or(err, error(&lineError{p.document.Line, "it has no " + name}))
		}
	}
	_, list := fieldOf(spec, "containers")
	if err = shared(spec); err == nil && list != nil {
		err = shared(list)
	}
	if err != nil {
		return nil, nil, err
	}
	container = list.Content[p.index]
	return spec, container, shared(container)
}

func (p *podhook) volumes(configMap string) (missing []string) {
	if !p.hasVolume(binVolume) && p.way == wayInit {
		missing = append(missing, "- name: "+binVolume+"\n  emptyDir: {sizeLimit: 64Mi}")
	}
	if !p.hasVolume(binVolume) && p.way == wayVolume {
		missing = append(missing, "- name: "+binVolume+"\n  image: {reference: "+scalar(p.image)+", pullPolicy: IfNotPresent}")
	}
	if !p.configured {
		missing = append(missing, "- name: "+p.configVolume()+"\n  configMap: {name: "+scalar(configMap)+"}")
	}
	return missing
}

// writeContainer lets podhook run in the application's own container.
func (p *podhook) writeContainer(e *editor, container *yaml.Node) error {
	program := scalar(p.program())
	if p.way == wayRun {
		if err := p.writeCommand(e, container); err != nil {
			return err
		}
	}
	var env []string
	for _, v := range [][2]string{{"PODHOOK_MAIN", p.main}, {"PODHOOK_GRACE_PERIOD", short(p.grace)}} {
		if v[1] != "" && !hasEnv(p.container, v[0]) {
			env = append(env, fmt.Sprintf("- {name: %s, value: %q}", v[0], v[1]))
		}
	}
	var mounts []string
	if p.way != wayRun && !mounted(p.container, binVolume) {
		mounts = append(mounts, fmt.Sprintf("- {name: %s, mountPath: %s, readOnly: true}", binVolume, binDir))
	}
	if !p.configured {
		mounts = append(mounts, p.configMount())
	}
	if err := e.append(container, "env", inContainer, env...); err != nil {
		return err
	}
	if err := p.writeHandlers(e, container, "exec: {command: ["+program+", %s]}"); err != nil {
		return err
	}
	if p.probe {
		if err := p.writeProbe(e, container, "exec: {command: ["+program+", ready]}"); err != nil {
			return err
		}
	}
	return e.append(container, "volumeMounts", inContainer, mounts...)
}

func (p *podhook) configMount() string {
	return "- {name: " + p.configVolume() + ", mountPath: " + config.DefaultDir + ", readOnly: true}"
}

// program is the path of podhook in the container.
func (p *podhook) program() string {
	life := handlers(p.container)
	for _, h := range []*corev1.LifecycleHandler{life.PostStart, life.PreStop} {
		if p.ownHandler(h) && h.Exec != nil {
			return h.Exec.Command[0]
		}
	}
	switch {
	case p.way != wayRun:
		return binDir + "/podhook"
	case isPodhook(p.container.Command):
		return p.container.Command[0]
	}
	return "/podhook"
}

func mounted(c *corev1.Container, volume string) bool {
	return slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == volume })
}

// writeCommand lets podhook run the container's command. Without one the image's
// entrypoint is podhook run.
func (p *podhook) writeCommand(e *editor, container *yaml.Node) error {
	command := p.container.Command
	if len(command) == 0 || isPodhook(command) {
		return nil
	}
	words := []string{"/podhook", "run", "--"}
	if len(p.hooks.Hooks["prestart"].steps()) > 0 {
		words = []string{"/podhook", "run", "--prestart=off", "--"} // postStart runs it, as before
	}
	text, err := marshal(map[string]argv{"command": append(words, command...)})
	if err != nil {
		return err
	}
	return e.set(container, inContainer, strings.TrimSuffix(text, "\n"))
}

func (h *hook) steps() []step {
	if h == nil {
		return nil
	}
	return h.Steps
}

// writeHandlers lets kubelet call podhook. form is the handler, with %s for the hook.
func (p *podhook) writeHandlers(e *editor, container *yaml.Node, form string) error {
	var missing []string
	// Under podhook run, prestart gates the start, unless a postStart was there.
	gated := p.way == wayRun && p.hooks.Hooks["prestart"].steps() == nil
	if !p.postStart && !gated {
		missing = append(missing, "postStart:\n  "+fmt.Sprintf(form, "prestart"))
	}
	if !p.preStop {
		missing = append(missing, "preStop:\n  "+fmt.Sprintf(form, "shutdown"))
	}
	_, life := fieldOf(container, "lifecycle")
	if len(missing) > 0 && (life == nil || len(life.Content) == 0) {
		return e.set(container, inContainer, "lifecycle:\n"+indented(strings.Join(missing, "\n"), 2))
	}
	for _, text := range missing {
		if err := e.set(life, inContainerField, text); err != nil {
			return err
		}
	}
	return nil
}

func (p *podhook) writeProbe(e *editor, container *yaml.Node, exec string) error {
	_, probe := fieldOf(container, "readinessProbe")
	if p.container.ReadinessProbe == nil {
		return e.set(container, inContainer, "readinessProbe:\n  "+exec+"\n  periodSeconds: 5\n  timeoutSeconds: 2\n  failureThreshold: 1")
	}
	if err := shared(probe); err != nil {
		return err
	}
	for _, kind := range []string{"httpGet", "tcpSocket"} {
		if key, _ := fieldOf(probe, kind); key == nil {
			continue
		}
		if err := e.change(probe, kind, inContainerField, exec); err != nil {
			return err
		}
	}
	return e.set(probe, inContainerField, "timeoutSeconds: 2") // for an exec and its 0.8 s of looking
}

// scalar writes a text with quotes where YAML needs them, in brackets too.
func scalar(text string) string {
	if strings.ContainsAny(text, "{}[],") {
		return strconv.Quote(text)
	}
	out, _ := marshal(text)
	return strings.TrimSpace(out)
}
