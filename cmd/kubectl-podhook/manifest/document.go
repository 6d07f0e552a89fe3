package manifest

import (
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"go.yaml.in/yaml/v3"
)

// Document is one object of a manifest. An item of a List is one too.
type Document struct {
	// File is the path, or "-" for the standard input, and Line where the object begins.
	File string
	Line int

	APIVersion, Kind, Name, Namespace string

	// Node is the object's mapping. Its lines are those of the file.
	Node *yaml.Node

	// Pod is the Pod that the object is, or makes; nil if there is none. PodPath is the
	// path to it, such as "spec.template", empty for a Pod.
	Pod     *corev1.PodTemplateSpec
	PodPath string

	// At most one of them is not nil.
	ConfigMap     *corev1.ConfigMap
	NetworkPolicy *networkingv1.NetworkPolicy
}

// Error is a mistake in a manifest.
type Error struct {
	File    string
	Line    int    // 0: not known
	Field   string // such as spec.containers[0].image; may be empty
	Message string
}

func (e *Error) Error() string {
	at := e.File
	if e.Line > 0 {
		at = fmt.Sprintf("%s:%d", at, e.Line)
	}
	if e.Field != "" {
		at += ": " + e.Field
	}
	return at + ": " + e.Message
}

// String is how people name the object, such as Deployment/web.
func (d Document) String() string { return d.Kind + "/" + d.Name }

// LineOf returns the line of a path such as "containers[0].lifecycle" below the Pod's
// spec. If the path ends early, it is the line of what is there.
func (d Document) LineOf(path string) int {
	_, line := Place(d.Node, fields(d.podSpec()+"."+path)...)
	return line
}

// PodSpec is the node of the Pod's spec, nil if there is none.
func (d Document) PodSpec() *yaml.Node {
	if d.Pod == nil {
		return nil
	}
	node, _ := Place(d.Node, fields(d.podSpec())...)
	return node
}

func (d Document) podSpec() string { return strings.TrimPrefix(d.PodPath+".spec", ".") }

// decode fills what the kind has. Other kinds are read no further.
func (d *Document) decode(json []byte) []error {
	switch d.APIVersion + " " + d.Kind {
	case "v1 Pod":
		var o corev1.Pod
		errs := strict(json, &o)
		d.Pod = &corev1.PodTemplateSpec{ObjectMeta: o.ObjectMeta, Spec: o.Spec}
		return errs
	case "apps/v1 Deployment":
		var o appsv1.Deployment
		return d.typed(json, &o, "spec.template", &o.Spec.Template)
	case "apps/v1 StatefulSet":
		var o appsv1.StatefulSet
		return d.typed(json, &o, "spec.template", &o.Spec.Template)
	case "apps/v1 DaemonSet":
		var o appsv1.DaemonSet
		return d.typed(json, &o, "spec.template", &o.Spec.Template)
	case "apps/v1 ReplicaSet":
		var o appsv1.ReplicaSet
		return d.typed(json, &o, "spec.template", &o.Spec.Template)
	case "batch/v1 Job":
		var o batchv1.Job
		return d.typed(json, &o, "spec.template", &o.Spec.Template)
	case "batch/v1 CronJob":
		var o batchv1.CronJob
		return d.typed(json, &o, "spec.jobTemplate.spec.template", &o.Spec.JobTemplate.Spec.Template)
	case "v1 ConfigMap":
		d.ConfigMap = &corev1.ConfigMap{}
		return strict(json, d.ConfigMap)
	case "networking.k8s.io/v1 NetworkPolicy":
		d.NetworkPolicy = &networkingv1.NetworkPolicy{}
		return strict(json, d.NetworkPolicy)
	}
	return nil
}

func (d *Document) typed(json []byte, object any, path string, pod *corev1.PodTemplateSpec) []error {
	d.Pod, d.PodPath = pod, path
	return strict(json, object)
}
