package lint

import (
	"fmt"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// imageVolumesSince is the minor version since which the gate ImageVolume is on by default; it is
// locked since 1.36 (pkg/features/kube_features.go of Kubernetes).
const imageVolumesSince = 35

// imageVolume finds image volumes that an older API server drops without a word
// (deploy/kubernetes/kubelet.md).
func imageVolume(p *pod) (list []finding) {
	if p.cluster.has("ImageVolume", imageVolumesSince) {
		return nil
	}
	for _, v := range p.Spec.Volumes {
		if v.Image != nil {
			list = append(list, found([]string{"volumes", v.Name, "image"}, "", fmt.Sprintf(
				"Kubernetes 1.%d drops an image volume without a word unless the gate ImageVolume is on (--gate ImageVolume): copy podhook by an init container", p.cluster.minor)))
		}
	}
	return list
}

// podhookMissing finds commands whose podhook nothing puts there.
func podhookMissing(p *pod) (list []finding) {
	for _, c := range p.containers {
		for _, e := range append(c.execs(), exec{"command", c.Command}) {
			if len(e.argv) == 0 || !isPodhook(e.argv[0]) || p.brings(c, e.argv[0]) {
				continue
			}
			at := strings.Split(e.where, ".")
			if e.where != "command" {
				at = append(at, "exec", "command")
			}
			list = append(list, found(c.at(at...), e.argv[0], "nothing puts podhook into this volume: add an init container with args: [install, "+path.Dir(e.argv[0])+"], which mounts it too"))
		}
	}
	return list
}

// brings reports whether podhook can be at a path: in the image, or in a volume that holds it.
func (p *pod) brings(c *container, program string) bool {
	mount := c.mountAt(program)
	if mount == nil {
		return true
	}
	v := p.volume(mount.Name)
	if v == nil || v.EmptyDir == nil {
		return true
	}
	return slices.ContainsFunc(p.containers, func(c *container) bool {
		if !c.isInit() {
			return false
		}
		mounts := slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == v.Name && !m.ReadOnly })
		return mounts && (c.runs() == "install" || c.words == nil) // another program may copy it
	})
}

// serveInit finds agents for which the pod waits for ever.
func serveInit(p *pod) (list []finding) {
	for _, c := range p.containers {
		if c.isInit() && !c.isSidecar() && c.runs() == "serve" {
			list = append(list, found(c.at("restartPolicy"), "", "podhook serve never ends, and the other containers wait for this one: write restartPolicy: Always"))
		}
	}
	return list
}

// livenessReady finds liveness probes that end containers which drain or start.
func livenessReady(p *pod) (list []finding) {
	for _, c := range p.containers {
		probe := c.LivenessProbe
		if probe == nil {
			continue
		}
		const msg = "is not ready during prestart and shutdown, and kubelet would restart the container then: "
		if probe.Exec != nil {
			if words := (exec{argv: probe.Exec.Command}).podhookWords(); len(words) > 0 && words[0] == "ready" {
				list = append(list, found(c.at("livenessProbe", "exec", "command"), "podhook ready", msg+"ask the application itself, or leave the probe out"))
			}
		}
	}
	for _, k := range p.calls() {
		if _, ours := p.listener(k); ours && k.where == "livenessProbe" && k.path() == "/readyz" {
			list = append(list, found(k.at("path"), k.Path, "is not ready during prestart and shutdown, and kubelet would restart the container then: write /livez"))
		}
	}
	return list
}

// disabled finds a podhook that does nothing.
func disabled(p *pod) (list []finding) {
	for _, c := range p.containers {
		if c.settings != nil && c.settings.Disabled {
			list = append(list, found(c.at("env", "PODHOOK_DISABLED"), "true", "no hook runs, and callers get success: leave it out"))
		}
	}
	return list
}
