//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse/docker"
	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse/kubelet"
)

// configMap is a directory as kubelet makes it for a ConfigMap: podhook.yaml is a link
// into ..data, which is a link that an update replaces.
type configMap struct {
	t        *testing.T
	dir      string
	versions int
}

func (m *configMap) update(text string) {
	m.t.Helper()
	m.versions++
	version := "..v" + string(rune('0'+m.versions))
	for _, do := range []func() error{
		func() error { return os.Mkdir(filepath.Join(m.dir, version), 0o755) },
		func() error { return os.WriteFile(filepath.Join(m.dir, version, "podhook.yaml"), []byte(text), 0o644) },
		func() error { return os.Symlink(version, filepath.Join(m.dir, "..data_tmp")) },
		func() error { return os.Rename(filepath.Join(m.dir, "..data_tmp"), filepath.Join(m.dir, "..data")) },
	} {
		if err := do(); err != nil {
			m.t.Fatal(err)
		}
	}
	if m.versions > 1 {
		return
	}
	if err := os.Symlink("..data/podhook.yaml", filepath.Join(m.dir, "podhook.yaml")); err != nil {
		m.t.Fatal(err)
	}
}

// A swapped configuration is in force for the agent and for exec'd hooks; a broken
// one is refused by both, and the last good one stays.
func TestConfigMapIsSwapped(t *testing.T) {
	t.Parallel()
	dir, arg := volume(t, "/etc/podhook:ro")
	m := &configMap{t: t, dir: dir}
	greeting := func(word string) string { return "hooks: {greet: {steps: [{exec: [echo, " + word + "]}]}}\n" }
	m.update(greeting("first"))
	s := newStarter(t, docker.Options{Args: map[string][]string{"": {arg}}})
	p := s.start(kubelet.Container{Name: "main", Image: built.Layer, Command: []string{"/podhook", "serve"}, Env: []string{"PODHOOK_TOKEN=" + token}})
	s.said("agent listens")
	wantGreeting := func(word string) {
		t.Helper()
		if status, body := get(t, p, ":8080/hooks/greet?force=true"); status != 200 {
			t.Errorf("http: %d %s", status, body)
		}
		if _, log := run(t, p, "/podhook", "logs", "greet"); !strings.Contains(log, word) {
			t.Errorf("by HTTP: %q, want %s", log, word)
		}
		if code, output := run(t, p, "/podhook", "hook", "--force", "greet"); code != 0 {
			t.Errorf("exec: exit code %d: %s", code, output)
		}
		if _, log := run(t, p, "/podhook", "logs", "greet"); !strings.Contains(log, word) {
			t.Errorf("by exec: %q, want %s", log, word)
		}
	}
	metric := func(value string) bool {
		_, body := get(t, p, ":8080/metrics")
		return strings.Contains(body, "podhook_config_last_reload_successful "+value+"\n")
	}
	wantGreeting("first")
	m.update(greeting("second"))
	wantGreeting("second")
	m.update("hooks: {greet: {stepz: []}}\n")
	wantGreeting("second")
	if !metric("0") {
		t.Error("no metric says that the configuration was refused")
	}
	if _, status := get(t, p, ":8080/status"); !strings.Contains(status, "stepz") {
		t.Errorf("/status does not say what is wrong: %s", status)
	}
	s.said("stepz")
	m.update(greeting("third"))
	wantGreeting("third")
	if !metric("1") {
		t.Error("no metric says that the configuration is good again")
	}
}
