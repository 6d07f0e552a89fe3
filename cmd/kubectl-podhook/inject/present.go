package inject

import (
	"fmt"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/podhook/podhook/hooks/config"
)

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

func (p *podhook) hasVolume(name string) bool {
	return slices.ContainsFunc(p.pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == name })
}

func handlers(c *corev1.Container) corev1.Lifecycle {
	if c.Lifecycle == nil {
		return corev1.Lifecycle{}
	}
	return *c.Lifecycle
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
