package prove

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

const root = "../../.."

// pod is one Pod of a manifest, with the ConfigMaps beside it.
type pod struct {
	source string
	meta   metav1.ObjectMeta
	spec   corev1.PodSpec
	// maps are the data of ConfigMaps by name and key.
	maps map[string]map[string]string
	// policies are the NetworkPolicies beside it.
	policies *[]networkingv1.NetworkPolicy
}

// everyPod are the Pods of all manifests, each in a subtest of its own.
func everyPod(t *testing.T, prove func(*testing.T, pod)) {
	for _, p := range pods(t) {
		t.Run(p.source, func(t *testing.T) { prove(t, p) })
	}
}

func pods(t *testing.T) []pod {
	t.Helper()
	var all []pod
	for source, text := range manifests(t) {
		all = append(all, podsOf(t, source, text)...)
	}
	// Fewer means that a folder has moved and is not checked any more.
	if len(all) < 8 {
		t.Fatalf("only %d Pods were found", len(all))
	}
	return all
}

// manifests are the texts of all Pods and Deployments of this repository by their source:
// files, folders that Kustomize builds, and pages.
func manifests(t *testing.T) map[string]string {
	t.Helper()
	found := fromPages(t)
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		switch dir := filepath.Dir(path); {
		case strings.HasPrefix(dir, "../policy"): // it has tests of its own, and no Pods that are whole
		case entry.Name() == "kustomization.yaml" && filepath.Base(dir) != "component":
			found[dir] = kustomized(t, filesys.MakeFsOnDisk(), dir)
		case filepath.Ext(path) == ".yaml" && filepath.Base(dir) == "pods", entry.Name() == "injected.yaml":
			text, err := os.ReadFile(path)
			found[path] = string(text)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// fromPages are the examples of all pages that begin with apiVersion, and, as
// Deployments, the patches, which begin with spec.
func fromPages(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	whole, patches := 0, 0
	for _, page := range pages(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for i, block := range strings.Split(string(text), "\n```yaml\n")[1:] {
			block, _, _ = strings.Cut(block, "\n```")
			block = strings.ReplaceAll(block, "A-TOKEN", "what-the-page-says-to-write")
			source := fmt.Sprintf("%s block %d", page, i+1)
			switch {
			case strings.HasPrefix(block, "apiVersion:"):
				whole++
				found[source] = block
			case strings.HasPrefix(block, "spec:"):
				patches++
				found[source] = patched(t, block)
			}
		}
	}
	if whole == 0 || patches == 0 {
		t.Fatalf("%d manifests and %d patches are on the pages: the README has one of each", whole, patches)
	}
	return found
}

func pages(t *testing.T) (found []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".md" {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// patched is the workload with a patch, as kubectl patch makes it.
func patched(t *testing.T, patch string) string {
	t.Helper()
	workload, err := os.ReadFile("../workload/deployment.yaml")
	if err != nil {
		t.Fatal(err)
	}
	files := filesys.MakeFsInMemory()
	for name, text := range map[string]string{
		"deployment.yaml":    string(workload),
		"patch.yaml":         "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: any}\n" + patch,
		"kustomization.yaml": "resources: [deployment.yaml]\npatches:\n- {path: patch.yaml, target: {kind: Deployment}}\n",
	} {
		if err := files.WriteFile("/"+name, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	return kustomized(t, files, "/")
}

func kustomized(t *testing.T, files filesys.FileSystem, dir string) string {
	t.Helper()
	out, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(files, dir)
	if err != nil {
		t.Fatalf("kustomize build %s: %v", dir, err)
	}
	text, err := out.AsYaml()
	if err != nil {
		t.Fatalf("kustomize build %s: %v", dir, err)
	}
	return string(text)
}

// podsOf decodes strictly: a misspelt or misplaced field is an error.
func podsOf(t *testing.T, source, text string) []pod {
	t.Helper()
	objects, err := decode(text)
	if err != nil {
		t.Fatalf("%s: %v", source, err)
	}
	maps := map[string]map[string]string{}
	policies := &[]networkingv1.NetworkPolicy{}
	var all []pod
	for _, object := range objects {
		switch o := object.(type) {
		case *corev1.ConfigMap:
			maps[o.Name] = o.Data
		case *corev1.Pod:
			all = append(all, pod{source, o.ObjectMeta, o.Spec, maps, policies})
		case *appsv1.Deployment:
			all = append(all, pod{source, o.Spec.Template.ObjectMeta, o.Spec.Template.Spec, maps, policies})
		case *networkingv1.NetworkPolicy:
			*policies = append(*policies, *o)
		case *corev1.ServiceAccount, *rbacv1.Role, *rbacv1.RoleBinding: // pod_api_test.go
		default:
			t.Fatalf("%s: a %T is not checked", source, object)
		}
	}
	return all
}

func decode(text string) ([]runtime.Object, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(corev1.AddToScheme(scheme), appsv1.AddToScheme(scheme), networkingv1.AddToScheme(scheme), rbacv1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	decoder := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Yaml: true, Strict: true})
	documents := yaml.NewDocumentDecoder(io.NopCloser(strings.NewReader(text)))
	defer documents.Close()
	var objects []runtime.Object
	buffer := make([]byte, 1<<20)
	for {
		n, err := documents.Read(buffer)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		if len(bytes.TrimSpace(buffer[:n])) == 0 {
			continue
		}
		object, _, err := decoder.Decode(buffer[:n], nil, nil)
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", len(objects)+1, err)
		}
		objects = append(objects, object)
	}
}

// The decoder refuses unknown, misplaced and repeated fields.
func TestDecodingIsStrict(t *testing.T) {
	const good = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - {name: a, image: b}\n"
	if _, err := decode(good); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{
		good + "  terminationGracePeriod: 30\n",
		good + "  containers: []\n",
		strings.Replace(good, "image: b", "image: b, lifecycle: {preStop: {httpget: {port: 1}}}", 1),
		strings.Replace(good, "image: b", "image: b, ports: [{containerPort: x}]", 1),
	} {
		if _, err := decode(bad); err == nil {
			t.Errorf("accepted:\n%s", bad)
		}
	}
}

// A component adds to the container that is there: a container without an image
// would be a second one.
func TestContainersHaveImages(t *testing.T) {
	everyPod(t, func(t *testing.T, p pod) {
		for _, c := range p.containers() {
			if c.Image == "" || c.Name == "" {
				t.Errorf("container %q has the image %q", c.Name, c.Image)
			}
		}
	})
}

func (p pod) containers() []corev1.Container {
	return append(append([]corev1.Container{}, p.spec.InitContainers...), p.spec.Containers...)
}
