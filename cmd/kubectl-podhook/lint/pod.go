package lint

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/podhook/podhook/cmd/kubectl-podhook/manifest"
)

// pod is one pod template with what its input says about it.
type pod struct {
	*corev1.PodTemplateSpec
	doc manifest.Document
	// containers are the init containers, and then the others: the order of their start.
	containers []*container
	maps       map[string]manifest.Document // ConfigMaps by name
	policies   []*networkingv1.NetworkPolicy
	cluster    cluster
	image      *imageHooks // nil if they are not given
}

// imageHooks are the hooks in the image, which no manifest has.
type imageHooks struct{ file, text string }

// cluster is what the flags say about the cluster.
type cluster struct {
	minor int // of Kubernetes 1.MINOR
	gates []string
}

// has reports whether the cluster has a feature: with its gate, or since a version.
func (c cluster) has(gate string, since int) bool {
	return c.minor >= since || slices.Contains(c.gates, gate)
}

// podsOf returns the pods of the input, except those for Windows.
func podsOf(documents []manifest.Document, c cluster, image *imageHooks) (pods []*pod) {
	for _, doc := range documents {
		if doc.Pod == nil || doc.Pod.Spec.OS != nil && doc.Pod.Spec.OS.Name == corev1.Windows {
			continue
		}
		p := &pod{PodTemplateSpec: doc.Pod, doc: doc, maps: map[string]manifest.Document{}, cluster: c, image: image}
		for _, other := range documents {
			switch {
			case other.Namespace != doc.Namespace:
			case other.ConfigMap != nil:
				p.maps[other.Name] = other
			case other.NetworkPolicy != nil:
				p.policies = append(p.policies, other.NetworkPolicy)
			}
		}
		p.addContainers("initContainers", doc.Pod.Spec.InitContainers)
		p.addContainers("containers", doc.Pod.Spec.Containers)
		for _, c := range p.containers {
			p.readPodhook(c)
		}
		pods = append(pods, p)
	}
	return pods
}

func (p *pod) addContainers(list string, all []corev1.Container) {
	for i := range all {
		p.containers = append(p.containers, &container{Container: &all[i], list: list, order: len(p.containers)})
	}
}

// hasPodhook reports whether podhook is in the pod.
func (p *pod) hasPodhook() bool {
	return slices.ContainsFunc(p.containers, func(c *container) bool { return c.uses })
}

// grace returns terminationGracePeriodSeconds, which is 30 by default.
func (p *pod) grace() int64 {
	if seconds := p.Spec.TerminationGracePeriodSeconds; seconds != nil {
		return *seconds
	}
	return 30
}

func (p *pod) sharesProcesses() bool { return isTrue(p.Spec.ShareProcessNamespace) }

func (p *pod) volume(name string) *corev1.Volume {
	for i := range p.Spec.Volumes {
		if p.Spec.Volumes[i].Name == name {
			return &p.Spec.Volumes[i]
		}
	}
	return nil
}

// user returns the numeric user of a container. It is not known if only the image says it.
func (p *pod) user(c *container) (uid int64, known bool) {
	if s := c.SecurityContext; s != nil && s.RunAsUser != nil {
		return *s.RunAsUser, true
	}
	if s := p.Spec.SecurityContext; s != nil && s.RunAsUser != nil {
		return *s.RunAsUser, true
	}
	return 0, false
}

// mountAt returns the mount that a path of the container is in, or nil.
func (c *container) mountAt(path string) (longest *corev1.VolumeMount) {
	for i := range c.VolumeMounts {
		m := &c.VolumeMounts[i]
		at := strings.TrimSuffix(m.MountPath, "/")
		if (path == at || strings.HasPrefix(path, at+"/")) && (longest == nil || len(m.MountPath) > len(longest.MountPath)) {
			longest = m
		}
	}
	return longest
}

func isTrue(b *bool) bool { return b != nil && *b }
