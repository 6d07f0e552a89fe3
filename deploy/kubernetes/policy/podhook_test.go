package policy

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// podhook itself accepts the environment and the inline configuration of each example.
func TestPodhookAcceptsWhatIsInjected(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "podhook")
	build := exec.Command("go", "build", "-o", binary, "./cmd/podhook")
	build.Dir = "../../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	s := newServer(t, policies(t, imageVolume)...)
	everyExample(t, func(t *testing.T, e example) {
		stored := s.mustCreate(t, e.created)
		config := stored.Annotations["podhook.dev/config"]
		if config == "" || config == "web-hooks" {
			config = "hooks: {}"
		}
		file := filepath.Join(t.TempDir(), "podhook.yaml")
		if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
			t.Fatal(err)
		}
		check := exec.Command(binary, "check", "--syntax", "--config", file)
		for _, v := range target(stored).Env {
			check.Env = append(check.Env, v.Name+"="+v.Value)
		}
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("podhook check: %v\n%s", err, out)
		}
	})
}
