package policy

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

var update = flag.Bool("update", false, "rewrite what is stored in testdata")

// ways are the folders whose results are in the files of testdata, after the Pod as a user
// creates it.
var ways = []string{imageVolume, initContainer}

// example is one file of testdata.
type example struct {
	file    string
	created *corev1.Pod
}

func everyExample(t *testing.T, prove func(*testing.T, example)) {
	t.Helper()
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) < 9 {
		t.Fatalf("%d examples: %v", len(files), err)
	}
	for _, file := range files {
		created, _, _ := strings.Cut(read(t, file), "---\n")
		t.Run(filepath.Base(file), func(t *testing.T) {
			prove(t, example{file, decodePod(t, file, created)})
		})
	}
}

func (s *server) mustCreate(t *testing.T, pod *corev1.Pod) *corev1.Pod {
	t.Helper()
	stored, err := s.create(t.Context(), pod)
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

func TestInjected(t *testing.T) {
	var servers []*server
	for _, way := range ways {
		servers = append(servers, newServer(t, policies(t, way)...))
	}
	everyExample(t, func(t *testing.T, e example) {
		documents := strings.SplitAfter(read(t, e.file), "---\n")[:1]
		for i, s := range servers {
			got := encode(t, s.mustCreate(t, e.created))
			documents = append(documents, "# stored with "+ways[i]+"\n"+got+"---\n")
		}
		got := strings.TrimSuffix(strings.Join(documents, ""), "---\n")
		if *update {
			if err := os.WriteFile(e.file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if want := read(t, e.file); got != want {
			t.Errorf("it is now\n%s\nand was (go test -update writes it)\n%s", got, want)
		}
	})
}

// target is the container that has podhook.
func target(pod *corev1.Pod) *corev1.Container {
	for i, c := range pod.Spec.Containers {
		for _, m := range c.VolumeMounts {
			if m.MountPath == "/podhook-bin" {
				return &pod.Spec.Containers[i]
			}
		}
	}
	return &corev1.Container{}
}

// What is stored is well-formed, as restricted as what was created, and stored unchanged
// when it is created again.
func TestStoredPodsAreGood(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	restricted := func(p *corev1.Pod) bool {
		level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
		return policy.AggregateCheckResults(evaluator.EvaluatePod(level, &p.ObjectMeta, &p.Spec)).Allowed
	}
	for _, way := range ways {
		t.Run(way, func(t *testing.T) {
			s := newServer(t, policies(t, way)...)
			proved := 0
			everyExample(t, func(t *testing.T, e example) {
				stored := s.mustCreate(t, e.created)
				wellFormed(t, decodePod(t, e.file, encode(t, stored)))
				if restricted(e.created) {
					proved++
					if !restricted(stored) {
						t.Errorf("no longer restricted:\n%s", encode(t, stored))
					}
				}
				if again := s.mustCreate(t, stored); !equality.Semantic.DeepEqual(again, stored) {
					t.Errorf("created again, it is stored as\n%s", encode(t, again))
				}
			})
			if proved < 2 {
				t.Errorf("%d examples are restricted: one with and one without a securityContext of the Pod are expected", proved)
			}
		})
	}
}

// wellFormed checks what strict decoding does not know.
func wellFormed(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	volumes := map[string]bool{}
	for _, v := range pod.Spec.Volumes {
		if volumes[v.Name] {
			t.Errorf("two volumes are called %s", v.Name)
		}
		volumes[v.Name] = true
	}
	names := map[string]bool{}
	for _, c := range append(append([]corev1.Container{}, pod.Spec.InitContainers...), pod.Spec.Containers...) {
		if names[c.Name] || c.Image == "" {
			t.Errorf("a second container is called %q, or it has no image", c.Name)
		}
		names[c.Name] = true
		paths, variables := map[string]bool{}, map[string]bool{}
		for _, m := range c.VolumeMounts {
			if paths[m.MountPath] || !volumes[m.Name] {
				t.Errorf("container %s: mount %s of volume %s", c.Name, m.MountPath, m.Name)
			}
			paths[m.MountPath] = true
		}
		for _, e := range c.Env {
			if variables[e.Name] {
				t.Errorf("container %s: %s is set twice", c.Name, e.Name)
			}
			variables[e.Name] = true
		}
		if l := c.Lifecycle; l != nil {
			oneHandler(t, l.PostStart)
			oneHandler(t, l.PreStop)
		}
	}
}

func oneHandler(t *testing.T, h *corev1.LifecycleHandler) {
	t.Helper()
	handlers := 0
	for _, there := range []bool{h != nil && h.Exec != nil, h != nil && h.HTTPGet != nil, h != nil && h.Sleep != nil} {
		if there {
			handlers++
		}
	}
	if h != nil && handlers != 1 {
		t.Errorf("%d handlers: %v", handlers, h)
	}
}
