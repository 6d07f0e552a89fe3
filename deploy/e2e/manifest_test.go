//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse/kubelet"
)

// The Pods of deploy/kubernetes/pods run on the engine, as `rehearse` reads them: postStart
// by exec, preStop by httpGet on their own port and path.
func TestPodsOfTheDocumentation(t *testing.T) {
	t.Parallel()
	tool := filepath.Join(t.TempDir(), "kubectl-podhook")
	if output, err := exec.Command("go", "build", "-o", tool, "../../cmd/kubectl-podhook").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	manifests, err := filepath.Glob("../kubernetes/pods/*.yaml")
	if err != nil || len(manifests) < 2 {
		t.Fatalf("manifests %q, %v", manifests, err)
	}
	for _, manifest := range manifests {
		t.Run(filepath.Base(manifest), func(t *testing.T) {
			t.Parallel()
			args := []string{"rehearse", "--runtime", "docker", "--image", built.Layer, "--pause-image", built.Podhook, "-f", manifest, "-o", "json"}
			for _, a := range []string{"--tmpfs=/tmp", "--read-only", "--user=65532:65532", "--cap-drop=ALL", "--security-opt=no-new-privileges"} {
				args = append(args, "--docker-arg", a)
			}
			for _, e := range []string{"ready", "finished", "no-failed-hooks", "no-sigkill", "exit=0", "restarts=0"} {
				args = append(args, "--expect", e)
			}
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			defer cancel()
			var stdout, stderr bytes.Buffer
			cmd := exec.CommandContext(ctx, tool, args...)
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			if err := cmd.Run(); err != nil {
				t.Fatalf("%v\n%s%s", err, stderr.Bytes(), stdout.Bytes())
			}
			var r kubelet.Report
			if err := json.Unmarshal(stdout.Bytes(), &r); err != nil {
				t.Fatal(err)
			}
			if len(r.Hooks) != 2 || r.Hooks[0].Kind != "exec" || r.Hooks[1].Kind != "httpGet" {
				t.Errorf("hooks %+v, want postStart by exec and preStop by httpGet", r.Hooks)
			}
			wantEvents(t, r, "Created", "Started", "Killing")
			wantBetween(t, "preStop answered", sinceDelete(t, r, "web/preStop", "succeeds"), 5, 20)
		})
	}
}
