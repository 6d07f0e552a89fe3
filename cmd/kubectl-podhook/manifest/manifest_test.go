package manifest

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const pod = `# a comment
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: shop}
spec:
  containers:
  - name: app
    image: b
    lifecycle:
      preStop:
        sleep: {seconds: 5}
`

func TestDocuments(t *testing.T) {
	template := "  template:\n    spec:\n      containers: [{name: app, image: b}]\n"
	text := pod + "---\n# nothing\n---\napiVersion: example.org/v1\nkind: Job\nmetadata: {name: foreign}\nspec: {any: thing}\n---\n" +
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: b}\n" +
		"---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p}\n"
	for _, kind := range []string{"apps/v1 Deployment", "apps/v1 StatefulSet", "apps/v1 DaemonSet", "apps/v1 ReplicaSet", "batch/v1 Job"} {
		version, kind, _ := strings.Cut(kind, " ")
		text += "---\napiVersion: " + version + "\nkind: " + kind + "\nmetadata: {name: w}\nspec:\n" + template
	}
	text += "---\napiVersion: batch/v1\nkind: CronJob\nmetadata: {name: w}\nspec:\n  jobTemplate:\n    spec:\n" +
		strings.ReplaceAll(template, "  t", "      t")[0:16] + "\n        spec:\n          containers: [{name: app, image: b}]\n"
	got, err := Read([]string{"-"}, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range got {
		names = append(names, d.String())
		if d.Pod != nil && (len(d.Pod.Spec.Containers) != 1 || d.Pod.Spec.Containers[0].Name != "app" || d.PodSpec() == nil) {
			t.Errorf("%s: %+v", d, d.Pod.Spec)
		}
		if kind := strings.Split(text, "\n")[d.Line]; kind != "kind: "+d.Kind {
			t.Errorf("%s: after its line %d there is %q", d, d.Line, kind)
		}
	}
	want := []string{"Pod/a", "Job/foreign", "ConfigMap/c", "NetworkPolicy/p", "Deployment/w", "StatefulSet/w", "DaemonSet/w", "ReplicaSet/w", "Job/w", "CronJob/w"}
	if !slices.Equal(names, want) {
		t.Errorf("got %q", names)
	}
	if d := got[0]; d.File != "-" || d.Namespace != "shop" || d.LineOf("containers[0].lifecycle.preStop") != 10 ||
		d.LineOf("containers[0].resources.limits") != 7 {
		t.Errorf("%+v, lines %d and %d", d, d.LineOf("containers[0].lifecycle.preStop"), d.LineOf("containers[0].resources.limits"))
	}
	if d := got[9]; d.LineOf("containers[0].name") == 0 || got[1].Pod != nil || got[2].ConfigMap.Data["a"] != "b" || got[3].NetworkPolicy == nil {
		t.Errorf("%+v", got)
	}
}

func TestList(t *testing.T) {
	text := "apiVersion: v1\nkind: List\nitems:\n- " + strings.ReplaceAll(strings.TrimPrefix(pod, "# a comment\n"), "\n", "\n  ") +
		"\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: c}}\n"
	got, err := Read([]string{"-"}, strings.NewReader(text))
	if err != nil || len(got) != 2 || got[0].String() != "Pod/a" || got[0].Line != 4 || got[1].ConfigMap == nil {
		t.Fatalf("%v, %+v", err, got)
	}
	if line := got[0].LineOf("containers[0].image"); line != 10 {
		t.Errorf("the image is in line %d", line)
	}
}

// A mistake has its file, line and field, and does not hide the next one.
func TestMistakes(t *testing.T) {
	for name, test := range map[string]struct {
		old, new string
		line     int
		field    string
		message  string
	}{
		"unknown field":      {"image: b", "imagee: b", 8, "spec.containers[0].imagee", "no such field"},
		"wrong case":         {"preStop:", "prestop:", 10, "spec.containers[0].lifecycle.prestop", "no such field"},
		"number for string":  {"image: b", "image: 5", 8, "spec.containers[0].image", "write a string"},
		"YAML 1.1 truth":     {"image: b", "image: yes", 8, "spec.containers[0].image", "write a string"},
		"string for number":  {"seconds: 5", "seconds: 5s", 11, "spec.containers[0].lifecycle.preStop.sleep.seconds", "write a number"},
		"mapping for list":   {"  - name: app", "    name: app", 6, "spec.containers", "write a list"},
		"a key twice":        {"image: b", "image: b\n    image: c", 9, "", "already set"},
		"syntax":             {"image: b", "image: b: c", 8, "", "mapping values"},
		"no kind":            {"kind: Pod", "", 2, "", "no kind"},
		"resource quantity":  {"image: b", "image: b\n    resources: {limits: {memory: 5Q}}", 2, "", "quantities"},
		"name is no string":  {"name: a,", "name: 1,", 4, "metadata.name", "write a string"},
		"items are not many": {"kind: Pod", "kind: PodList\nitems: 5", 4, "items", "write a list"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "pod.yaml")
			text := strings.Replace(pod, test.old, test.new, 1) + "---\n" + pod
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := Read([]string{path}, nil)
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v", err)
			}
			if e.File != path || e.Line != test.line || e.Field != test.field || !strings.Contains(e.Message, test.message) {
				t.Errorf("got %q", err)
			}
			if len(got) != 1 {
				t.Errorf("%d documents are left: the good one is", len(got))
			}
		})
	}
}

func TestDirectories(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"b.yml": strings.Replace(pod, "name: a", "name: b", 1), "a.yaml": pod, "README.md": "no YAML: {",
		"c.json": `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "c"},` + "\n\t" + `"spec": {"containers": []}}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Read([]string{dir}, nil)
	if err != nil || len(got) != 3 || got[0].Name != "a" || got[1].Name != "b" || got[2].Name != "c" {
		t.Fatalf("%v, %+v", err, got)
	}
	if _, err := Read([]string{t.TempDir()}, nil); err == nil || !strings.Contains(err.Error(), "no .yaml") {
		t.Errorf("an empty directory: %v", err)
	}
	if _, err := Read([]string{filepath.Join(dir, "none.yaml")}, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}
