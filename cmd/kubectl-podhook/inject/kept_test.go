package inject

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/podhook/podhook/cmd/kubectl-podhook/manifest"
	"go.yaml.in/yaml/v3"
)

// kept fails if anything but podhook differs in two texts: other documents as they are
// written, Pods by what they say.
func kept(t *testing.T, before, after string) {
	t.Helper()
	was, err := manifest.Parse(manifest.File{Name: "before", Text: []byte(before)})
	if err != nil {
		t.Fatal(err)
	}
	is, err := manifest.Parse(manifest.File{Name: "after", Text: []byte(after)})
	if err != nil {
		t.Fatal(err)
	}
	if more := len(is) - len(was); more > 0 { // what was added
		is = slices.DeleteFunc(is, func(d manifest.Document) bool {
			return (d.ConfigMap != nil || d.NetworkPolicy != nil) && strings.HasSuffix(d.Name, configMapSuffix) && !slices.ContainsFunc(was, func(w manifest.Document) bool { return w.String() == d.String() })
		})
	}
	if len(is) != len(was) {
		t.Fatalf("%d documents became %d", len(was), len(is))
	}
	for i := range was {
		if was[i].Pod == nil {
			a, _ := yaml.Marshal(was[i].Node)
			b, _ := yaml.Marshal(is[i].Node)
			if string(a) != string(b) {
				t.Errorf("%s is not what it was:\n%s", was[i], diff(t, string(a), string(b)))
			}
			continue
		}
		a, b := stripped(was[i].Pod), stripped(is[i].Pod)
		if !reflect.DeepEqual(a, b) {
			t.Errorf("%s is not what it was:\n%+v\n%+v", was[i], a, b)
		}
	}
}

// stripped is a Pod without all that podhook adds or changes.
func stripped(pod *corev1.PodTemplateSpec) *corev1.PodTemplateSpec {
	pod = pod.DeepCopy()
	spec := &pod.Spec
	ours := func(name string) bool { return strings.HasPrefix(name, "podhook") }
	spec.ShareProcessNamespace = nil
	spec.Volumes = without(spec.Volumes, func(v corev1.Volume) bool { return ours(v.Name) })
	spec.InitContainers = without(spec.InitContainers, func(c corev1.Container) bool { return ours(c.Name) })
	for i := range spec.Containers {
		c := &spec.Containers[i]
		c.Env = without(c.Env, func(e corev1.EnvVar) bool { return strings.HasPrefix(e.Name, "PODHOOK_") })
		c.VolumeMounts = without(c.VolumeMounts, func(m corev1.VolumeMount) bool { return ours(m.Name) })
		if c.Lifecycle != nil {
			if c.Lifecycle.PostStart, c.Lifecycle.PreStop = nil, nil; c.Lifecycle.StopSignal == nil {
				c.Lifecycle = nil
			}
		}
		c.ReadinessProbe = nil
		if len(c.Command) > 0 && c.Command[0] == "/podhook" {
			c.Command = c.Command[slices.Index(c.Command, "--")+1:]
		}
	}
	return pod
}

// without returns nil for an empty list too.
func without[T any](list []T, ours func(T) bool) []T {
	if list = slices.DeleteFunc(list, ours); len(list) == 0 {
		return nil
	}
	return list
}

var grace = regexp.MustCompile(`terminationGracePeriodSeconds: -?\d+`)

// Every field that the API has stays. The texts are those that Kubernetes tests its own
// encoding with; their lifecycle has several handlers, which no API server takes.
func TestEveryField(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/api").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"core.v1.Pod", "apps.v1.Deployment", "apps.v1.StatefulSet", "apps.v1.DaemonSet", "apps.v1.ReplicaSet", "batch.v1.Job", "batch.v1.CronJob"} {
		t.Run(kind, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "testdata/HEAD", kind+".yaml"))
			if err != nil {
				t.Fatal(err)
			}
			var tree yaml.Node
			if err := yaml.Unmarshal(data, &tree); err != nil {
				t.Fatal(err)
			}
			removeKey(&tree, "lifecycle")
			data, err = yaml.Marshal(&tree)
			if err != nil {
				t.Fatal(err)
			}
			text := grace.ReplaceAllString(string(data), "terminationGracePeriodSeconds: 60")
			for _, way := range []string{wayInit, wayVolume, wayRun} { // no sidecar beside hostPID
				injectedText(t, text, "--image", "x", "--way", way)
			}
		})
	}
}

func removeKey(n *yaml.Node, name string) {
	for i := len(n.Content) - 2; n.Kind == yaml.MappingNode && i >= 0; i -= 2 {
		if n.Content[i].Value == name {
			n.Content = slices.Delete(n.Content, i, i+2)
		}
	}
	for _, inner := range n.Content {
		removeKey(inner, name)
	}
}
