package policy

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"k8s.io/utils/ptr"
)

var update = flag.Bool("update", false, "rewrite what is stored in testdata")

// example is one file of testdata: a Pod as a user creates it, and as it is stored.
type example struct {
	file    string
	created *corev1.Pod
	stored  string
}

func everyExample(t *testing.T, prove func(*testing.T, example)) {
	t.Helper()
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) < 9 {
		t.Fatalf("%d examples: %v", len(files), err)
	}
	for _, file := range files {
		created, stored, _ := strings.Cut(read(t, file), "---\n")
		t.Run(filepath.Base(file), func(t *testing.T) {
			prove(t, example{file, decodePod(t, file, created), stored})
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
	s := newServer(t, policies(t, imageVolume)...)
	everyExample(t, func(t *testing.T, e example) {
		got := encode(t, s.mustCreate(t, e.created))
		if *update {
			created, _, _ := strings.Cut(read(t, e.file), "---\n")
			if err := os.WriteFile(e.file, []byte(created+"---\n"+got), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if got != e.stored {
			t.Errorf("stored as\n%s\nwant (go test -update writes it)\n%s", got, e.stored)
		}
	})
}

// The way with an init container differs in that container and in the volume alone.
func TestInitContainer(t *testing.T) {
	s, lead := newServer(t, policies(t, initContainer)...), newServer(t, policies(t, imageVolume)...)
	everyExample(t, func(t *testing.T, e example) {
		got, want := s.mustCreate(t, e.created), lead.mustCreate(t, e.created)
		target := target(want)
		install := corev1.Container{
			Name: "podhook-install", Image: "registry.example/podhook:v1", ImagePullPolicy: corev1.PullIfNotPresent,
			Args: []string{"install", "/podhook-bin"}, Resources: target.Resources,
			SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: ptr.To(false), ReadOnlyRootFilesystem: ptr.To(true),
				RunAsNonRoot:   ptr.To(want.Spec.SecurityContext == nil || ptr.Deref(want.Spec.SecurityContext.RunAsUser, 1) != 0),
				Capabilities:   &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			VolumeMounts: []corev1.VolumeMount{{Name: "podhook-bin", MountPath: "/podhook-bin"}},
		}
		want.Spec.InitContainers = append([]corev1.Container{install}, want.Spec.InitContainers...)
		for i := range want.Spec.Volumes {
			if v := &want.Spec.Volumes[i]; v.Name == "podhook-bin" {
				v.VolumeSource = corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: ptr.To(resource.MustParse("64Mi"))}}
			}
		}
		if !equality.Semantic.DeepEqual(got, want) {
			t.Errorf("stored as\n%s\nwant\n%s", encode(t, got), encode(t, want))
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
	for _, way := range []string{imageVolume, initContainer} {
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
