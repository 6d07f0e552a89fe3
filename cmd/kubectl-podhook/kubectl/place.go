package kubectl

import (
	"fmt"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Place is where podhook is in a Pod.
type Place struct{ Pod, Container, Program string }

// imageProgram is where podhook is in its image and in images that are made from it.
const imageProgram = "/podhook"

// Find returns where podhook is by the Pod's specification, and an error if nothing there
// speaks of it. A container that is named is taken anyway.
func Find(pod corev1.Pod, container string) (Place, error) {
	all := slices.Clone(pod.Spec.Containers)
	for _, c := range pod.Spec.InitContainers {
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			all = append(all, c)
		}
	}
	var names []string
	for _, c := range all {
		names = append(names, c.Name)
		program := programOf(c)
		if c.Name == container && program == "" {
			program = imageProgram
		}
		if program != "" && (container == "" || container == c.Name) {
			return Place{Pod: pod.Name, Container: c.Name, Program: program}, nil
		}
	}
	if container != "" {
		return Place{}, fmt.Errorf("pod %s has no container %s that runs: it has %s", pod.Name, container, strings.Join(names, ", "))
	}
	return Place{}, fmt.Errorf("pod %s: no container has podhook (%s): no handler, probe, mount or PODHOOK_ variable; -c NAME looks anyway", pod.Name, strings.Join(names, ", "))
}

// programOf returns the path of podhook in a container, "" if nothing speaks of it.
func programOf(c corev1.Container) string {
	for _, command := range commands(c) {
		if len(command) > 0 && path.Base(command[0]) == "podhook" && path.IsAbs(command[0]) {
			return command[0]
		}
	}
	for _, m := range c.VolumeMounts {
		if m.Name == "podhook-bin" {
			return path.Join(m.MountPath, "podhook")
		}
	}
	if slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool { return strings.HasPrefix(e.Name, "PODHOOK_") }) {
		return imageProgram
	}
	return ""
}

func commands(c corev1.Container) [][]string {
	all := [][]string{c.Command}
	if c.Lifecycle != nil {
		for _, h := range []*corev1.LifecycleHandler{c.Lifecycle.PostStart, c.Lifecycle.PreStop} {
			if h != nil && h.Exec != nil {
				all = append(all, h.Exec.Command)
			}
		}
	}
	if p := c.ReadinessProbe; p != nil && p.Exec != nil {
		all = append(all, p.Exec.Command)
	}
	return all
}
