package kubectl

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// podhook is found by everything that brings it into a container.
func TestFind(t *testing.T) {
	for name, test := range map[string]struct {
		containers, container string
		want                  Place // without a Program: the error has Container in it
	}{
		"preStop":          {"containers: [{name: a}, {name: b, lifecycle: {preStop: {exec: {command: [/x/podhook, shutdown]}}}}]", "", Place{Container: "b", Program: "/x/podhook"}},
		"postStart":        {"containers: [{name: a, lifecycle: {postStart: {exec: {command: [/x/podhook, prestart]}}}}]", "", Place{Container: "a", Program: "/x/podhook"}},
		"probe":            {"containers: [{name: a, readinessProbe: {exec: {command: [/x/podhook, ready]}}}]", "", Place{Container: "a", Program: "/x/podhook"}},
		"entrypoint":       {"containers: [{name: a, command: [/x/podhook, run, --, /web]}]", "", Place{Container: "a", Program: "/x/podhook"}},
		"mount":            {"containers: [{name: a, volumeMounts: [{name: podhook-bin, mountPath: /y}]}]", "", Place{Container: "a", Program: "/y/podhook"}},
		"variable":         {"containers: [{name: a, env: [{name: PODHOOK_LISTEN, value: ':1'}]}]", "", Place{Container: "a", Program: "/podhook"}},
		"native sidecar":   {"containers: [{name: a}]\ninitContainers: [{name: s, restartPolicy: Always, env: [{name: PODHOOK_LISTEN, value: ':1'}]}]", "", Place{Container: "s", Program: "/podhook"}},
		"named":            {"containers: [{name: a}]", "a", Place{Container: "a", Program: "/podhook"}},
		"named, not first": {"containers: [{name: a, command: [/x/podhook]}, {name: b, command: [/y/podhook]}]", "b", Place{Container: "b", Program: "/y/podhook"}},
		"another program":  {"containers: [{name: a, lifecycle: {preStop: {exec: {command: [/podhooks, x]}}}}]", "", Place{Container: "no container has podhook (a)"}},
		"an init container": {"containers: [{name: a}]\ninitContainers: [{name: i, volumeMounts: [{name: podhook-bin, mountPath: /y}]}]", "i",
			Place{Container: "no container i that runs: it has a"}},
	} {
		t.Run(name, func(t *testing.T) {
			pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web-0"}}
			if err := yaml.UnmarshalStrict([]byte(test.containers), &pod.Spec); err != nil {
				t.Fatal(err)
			}
			got, err := Find(pod, test.container)
			if test.want.Program == "" {
				if err == nil || !strings.Contains(err.Error(), test.want.Container) {
					t.Errorf("got %v, %v", got, err)
				}
				return
			}
			if test.want.Pod = "web-0"; err != nil || got != test.want {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}
