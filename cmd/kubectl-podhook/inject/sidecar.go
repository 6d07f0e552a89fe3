package inject

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"go.yaml.in/yaml/v3"
)

// ports of the sidecar, if the pod's containers declare none of them.
func (p *podhook) sidecarPorts() (hooks, status int) {
	taken := func(port int) bool {
		return slices.ContainsFunc(p.pod.Spec.Containers, func(c corev1.Container) bool {
			return slices.ContainsFunc(c.Ports, func(d corev1.ContainerPort) bool { return int(d.ContainerPort) == port })
		})
	}
	for hooks = 8480; taken(hooks) || taken(hooks+1); hooks += 2 {
	}
	return hooks, hooks + 1
}

func (p *podhook) writeSidecar(e *editor, spec, container *yaml.Node) error {
	hooks, status := p.sidecarPorts()
	s := p.sidecar()
	if s != nil {
		hooks = listenPort(s, hooks)
	}
	host, address := "", ""
	if p.pod.Spec.HostNetwork { // without host, kubelet sends nothing; and nobody else needs to
		host, address = "host: 127.0.0.1, ", "127.0.0.1"
	}
	if err := p.writePolicy(e, hooks); err != nil {
		return err
	}
	err := p.writeHandlers(e, container, fmt.Sprintf("httpGet: {%spath: /%%s, port: %d}", host, hooks))
	if err != nil || s != nil {
		return err
	}
	mounts := ""
	if !p.configured {
		mounts = "\n  volumeMounts:\n  " + p.configMount()
	}
	if shares := p.pod.Spec.ShareProcessNamespace; shares == nil || !*shares {
		if err := e.set(spec, inSpec, "shareProcessNamespace: true"); err != nil {
			return err
		}
	}
	return e.append(spec, "initContainers", inSpec, fmt.Sprintf(`- name: %s
  image: %s
  restartPolicy: Always
  args: [serve]
  env:
  - {name: PODHOOK_MAIN, value: %q}
  - {name: PODHOOK_LISTEN, value: "%s:%d"}
  - {name: PODHOOK_METRICS_LISTEN, value: "%s:%d"}
  - {name: PODHOOK_GRACE_PERIOD, value: %q}
  readinessProbe:
    httpGet: {%spath: /readyz, port: %d}
    periodSeconds: 2
    failureThreshold: 1
  livenessProbe:
    httpGet: {%spath: /livez, port: %d}
  resources:
    requests: {cpu: 1m, memory: 8Mi}
    limits: {memory: 64Mi}%s%s`, sidecarName, scalar(p.image), p.main, address, hooks, address, status, short(p.grace), host, status, host, status, p.secure(), mounts))
}

// listenPort is the port of PODHOOK_LISTEN, or another one if it has none.
func listenPort(c *corev1.Container, other int) int {
	for _, env := range c.Env {
		if i := strings.LastIndexByte(env.Value, ':'); env.Name == "PODHOOK_LISTEN" && i >= 0 {
			if port, err := strconv.Atoi(env.Value[i+1:]); err == nil {
				return port
			}
		}
	}
	return other
}
