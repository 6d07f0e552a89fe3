package prove

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// A component fails where its patch would add a second container, or replace what the
// container has.
func TestComponentsFailLoudly(t *testing.T) {
	components, err := filepath.Glob("../*/component")
	if err != nil || len(components) < 4 {
		t.Fatalf("%d components, %v", len(components), err)
	}
	workload, err := os.ReadFile("../workload/deployment.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, component := range components {
		handler, probe := "\n        lifecycle: {preStop: {sleep: {seconds: 5}}}", "\n        readinessProbe: {tcpSocket: {port: 8000}}"
		switch { // what the patch leaves alone
		case strings.Contains(component, "sidecar"):
			probe = ""
		case strings.Contains(component, "pod-api"):
			handler, probe = "", ""
		}
		for name, test := range map[string]struct{ old, new, want string }{
			"as it is":     {"", "", ""},
			"another name": {"- name: app", "- name: web", "/containers/0/name"},
			"a handler":    {"- name: app", "- name: app" + handler, "/containers/0/lifecycle"},
			"a probe":      {"- name: app", "- name: app" + probe, "/containers/0/readinessProbe"},
		} {
			t.Run(component+" "+name, func(t *testing.T) {
				if test.old != "" && strings.Replace(string(workload), test.old, test.new, 1) == string(workload) {
					t.Skip("the patch leaves the container's handlers or probes alone")
				}
				files := filesys.MakeFsInMemory()
				write(t, files, "/deployment.yaml", strings.Replace(string(workload), test.old, test.new, 1))
				write(t, files, "/kustomization.yaml", "resources: [deployment.yaml]\ncomponents: [component]\n")
				parts, err := filepath.Glob(component + "/*")
				if err != nil {
					t.Fatal(err)
				}
				for _, part := range parts {
					text, err := os.ReadFile(part)
					if err != nil {
						t.Fatal(err)
					}
					write(t, files, "/component/"+filepath.Base(part), string(text))
				}
				_, err = krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(files, "/")
				switch {
				case test.want == "" && err != nil:
					t.Error(err)
				case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
					t.Errorf("got %v", err)
				}
			})
		}
	}
}

func write(t *testing.T, files filesys.FileSystem, name, text string) {
	t.Helper()
	if err := files.WriteFile(name, []byte(text)); err != nil {
		t.Fatal(err)
	}
}
