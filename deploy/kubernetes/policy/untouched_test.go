package policy

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
)

// labelled is a Pod in which each row replaces something.
const labelled = `apiVersion: v1
kind: Pod
metadata:
  name: web
  namespace: default
  labels: {podhook.dev/inject: "true"}
  annotations: {app: web}
spec:
  containers:
  - {name: app, image: registry.example/web:1}
  - {name: proxy, image: registry.example/proxy:1}
`

func labelledPod(t *testing.T, change, into string) *corev1.Pod {
	t.Helper()
	text := strings.Replace(labelled, change, into, 1)
	if text == labelled && change != into {
		t.Fatalf("no %q to replace", change)
	}
	return decodePod(t, into, text)
}

func TestUntouched(t *testing.T) {
	for name, row := range map[string]struct{ change, into string }{
		"no label":        {`{podhook.dev/inject: "true"}`, `{app: web}`},
		"label false":     {`inject: "true"`, `inject: "false"`},
		"hostNetwork":     {"spec:", "spec:\n  hostNetwork: true"},
		"hostPID":         {"spec:", "spec:\n  hostPID: true"},
		"Windows":         {"spec:", "spec:\n  os: {name: windows}"},
		"Windows node":    {"spec:", "spec:\n  nodeSelector: {kubernetes.io/os: windows}"},
		"static":          {"app: web}", "kubernetes.io/config.mirror: a-hash}"},
		"injected before": {"web:1}", "web:1, volumeMounts: [{name: bin, mountPath: /podhook-bin}]}"},
		// A proxy that is put in front does not become the target of a second look.
		"injected in the second":       {"proxy:1}", "proxy:1, volumeMounts: [{name: podhook-bin, mountPath: /podhook-bin}]}"},
		"hostNetwork, grace too short": {"spec:", "spec:\n  hostNetwork: true\n  terminationGracePeriodSeconds: 1"},
	} {
		t.Run(name, func(t *testing.T) {
			created := labelledPod(t, row.change, row.into)
			for _, way := range []string{imageVolume, initContainer} {
				if stored := newServer(t, policies(t, way)...).mustCreate(t, created); !equality.Semantic.DeepEqual(stored, created) {
					t.Errorf("%s: stored as\n%s", way, encode(t, stored))
				}
			}
		})
	}
	stored := newServer(t, policies(t, imageVolume)...).mustCreate(t, labelledPod(t, "", ""))
	if target(stored).Name != "app" {
		t.Errorf("the Pod of this test is not injected:\n%s", encode(t, stored))
	}
}

func TestRefused(t *testing.T) {
	s := newServer(t, policies(t, imageVolume)...)
	for name, row := range map[string]struct{ change, into, says string }{
		"label": {`"true"`, `"yes"`, `label podhook.dev/inject: "yes" is neither "true" nor "false"`},
		"container": {"app: web}", "podhook.dev/container: nginx}",
			`annotation podhook.dev/container: no container is called "nginx": the Pod has app, proxy`},
		"empty container": {"app: web}", `podhook.dev/container: ""}`, `no container is called ""`},
		"unknown": {"app: web}", "podhook.dev/drain-url: http://x}",
			"annotation podhook.dev/drain-url is unknown: podhook knows podhook.dev/config, podhook.dev/container, podhook.dev/grace"},
		"grace":           {"app: web}", `podhook.dev/grace: "60"}`, `annotation podhook.dev/grace: "60" is no duration such as 60s or 1m30s`},
		"endless grace":   {"app: web}", `podhook.dev/grace: 999999999999999999h}`, "is no duration"},
		"short grace":     {"app: web}", "podhook.dev/grace: 2s}", "terminationGracePeriodSeconds: 2: podhook needs at least 3"},
		"short of itself": {"spec:", "spec:\n  terminationGracePeriodSeconds: 1", "terminationGracePeriodSeconds: 1: podhook needs at least 3"},
		"asleep": {"web:1}", "web:1, lifecycle: {preStop: {sleep: {seconds: 28}}}}",
			"terminationGracePeriodSeconds: 30, less the preStop sleep of 28s: podhook needs at least 3"},
		"config":       {"app: web}", "podhook.dev/config: My_Hooks}", "annotation podhook.dev/config is neither the name of a ConfigMap nor YAML"},
		"empty config": {"app: web}", `podhook.dev/config: ""}`, "annotation podhook.dev/config is neither"},
		"blank config": {"app: web}", `podhook.dev/config: "\n"}`, "annotation podhook.dev/config is neither"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.create(t.Context(), labelledPod(t, row.change, row.into))
			if err == nil || !strings.Contains(err.Error(), row.says) {
				t.Errorf("got %v, want %q", err, row.says)
			}
		})
	}
}
