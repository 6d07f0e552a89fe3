package lint

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"slices"
	"testing"
)

// Pods that the admission policies have made have no mistake but what their authors wrote:
// handlers of their own, and no securityContext.
func TestPodsOfThePolicies(t *testing.T) {
	const dir = "../../../deploy/kubernetes/policy/testdata"
	theirs := map[string][]string{
		"handlers.yaml":    {"hook-port", "post-start-http"},
		"one-handler.yaml": {"stop-signal-ignored"},
	}
	var out, stderr bytes.Buffer
	if code := Run(t.Context(), []string{"-f", dir, "-o", "json"}, &out, &stderr); code == 2 {
		t.Fatalf("%d %s", code, stderr.String())
	}
	var report struct {
		Pods     int
		Findings []struct{ Rule, File, Field, Message string }
	}
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(dir + "/*.yaml")
	if err != nil || len(files) < 8 || report.Pods < 2*len(files) {
		t.Errorf("%d files, %d Pods, %v", len(files), report.Pods, err)
	}
	for _, f := range report.Findings {
		allowed := append([]string{"restricted", "hooks-unseen"}, theirs[filepath.Base(f.File)]...)
		if !slices.Contains(allowed, f.Rule) {
			t.Errorf("%s: %s, %s: %s", f.File, f.Rule, f.Field, f.Message)
		}
	}
}
