//go:build e2e

package e2e

import (
	"strings"
	"testing"

	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse/docker"
	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse/kubelet"
)

// A restricted pod needs no volume for podhook: each container has its own state in
// /dev/shm, which they share.
func TestRestrictedContainersKeepApart(t *testing.T) {
	t.Parallel()
	s := newStarter(t, docker.Options{Args: map[string][]string{"": restricted}})
	config := `PODHOOK_CONFIG_YAML=hooks: {prestart: {steps: [{exec: [sh, -c, "echo hello of $NAME"]}]}}`
	states := map[string]string{}
	for _, name := range []string{"one", "two"} {
		p := s.start(kubelet.Container{
			Name: name, Image: built.Layer, Command: []string{"sleep", "600"}, Env: []string{config, "NAME=" + name},
		})
		for _, want := range []string{"succeeded (", "succeeded already"} {
			code, output := run(t, p, "/podhook", "prestart")
			if code != 0 || !strings.Contains(output, want) {
				t.Errorf("%s: exit code %d, %q; want %q", name, code, output, want)
			}
		}
		s.said(name + ": ")
		s.said("hello of " + name)
		if _, log := run(t, p, "/podhook", "logs", "prestart"); !strings.Contains(log, "hello of "+name) {
			t.Errorf("%s: logs say %q", name, log)
		}
		_, states[name] = run(t, p, "sh", "-c", "ls -d /dev/shm/podhook-*")
	}
	if len(strings.Fields(states["one"])) != 1 || len(strings.Fields(states["two"])) != 2 {
		t.Errorf("state directories %q, then %q: want one for each container", states["one"], states["two"])
	}
}

// If nothing can be written, the error says what to mount, and shutdown runs all the same.
func TestNothingWritable(t *testing.T) {
	t.Parallel()
	s := newStarter(t, docker.Options{Args: map[string][]string{"": append([]string{"--tmpfs", "/dev/shm:ro"}, restricted...)}})
	p := s.start(kubelet.Container{
		Name: "main", Image: built.Layer, Command: []string{"sleep", "600"},
		Env: []string{"PODHOOK_CONFIG_YAML=hooks: {shutdown: {steps: [{exec: [sh, -c, echo drained]}]}}"},
	})
	code, output := run(t, p, "/podhook", "prestart")
	if code != 2 {
		t.Errorf("prestart: exit code %d, want 2", code)
	}
	for _, want := range []string{"/run/podhook", "/dev/shm", "mount an emptyDir at /run/podhook", "PODHOOK_STATE_DIR"} {
		if !strings.Contains(output, want) {
			t.Errorf("%q does not say %q", output, want)
		}
	}
	_, output = run(t, p, "/podhook", "shutdown")
	if !strings.Contains(output, "emptyDir") {
		t.Errorf("shutdown says %q, and nothing of what to mount", output)
	}
	s.said("drained")
}
