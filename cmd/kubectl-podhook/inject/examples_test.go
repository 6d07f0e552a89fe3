package inject

import (
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write the examples of deploy/kubernetes anew")

// The examples are what inject prints for the workload.
func TestExamples(t *testing.T) {
	for way, folder := range map[string]string{wayInit: "init-container", wayVolume: "image-volume", waySidecar: "sidecar", wayRun: "base-image"} {
		args := []string{"--way", way, "--image", "registry.example/podhook:v1"}
		if way == waySidecar {
			args = append(args, "--main", "name:web", "--network-policy")
		}
		want, _ := injectedText(t, workload(t), args...)
		path := "../../../deploy/kubernetes/" + folder + "/injected.yaml"
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != want {
			t.Errorf("%s: %v; `go test ./cmd/kubectl-podhook/inject -run TestExamples -update` writes it anew\n%s", path, err, diff(t, string(got), want))
		}
	}
}
