//go:build e2e

package e2e

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/podhook/podhook/internal/testutil"
)

// The Compose example becomes healthy when the application listens, and a stop drains it.
func TestCompose(t *testing.T) {
	t.Parallel()
	compose := testutil.NeedProgram(t, "docker-compose", "docker-compose")
	run := func(args ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		cmd := exec.CommandContext(ctx, compose, append([]string{"-f", "../schedulers/compose.yaml", "-p", "podhook-e2e-compose"}, args...)...)
		cmd.Env = append(os.Environ(), "WEB_IMAGE="+built.Layer)
		output, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("docker-compose %s: %v\n%s", strings.Join(args, " "), err, output)
		}
		return strings.TrimSpace(string(output))
	}
	t.Cleanup(func() { run("down", "-t", "1") })
	run("up", "-d")
	id := run("ps", "-q", "web")
	inspect := func(what string) string {
		_, text := tryEngine(t, "inspect", "-f", "{{"+what+"}}", id)
		return strings.TrimSpace(text)
	}
	testutil.Eventually(t, "the container is healthy", func() bool { return inspect(".State.Health.Status") == "healthy" })
	if code, text := tryEngine(t, "exec", id, "/podhook", "ready"); code != 0 || text != "ready\n" {
		t.Errorf("podhook ready: code %d, %s", code, text)
	}
	began := time.Now()
	run("stop")
	testutil.Within(t, time.Since(began), 2*time.Second, 25*time.Second)
	if code := inspect(".State.ExitCode"); code != "0" {
		t.Errorf("exit code %s, want 0", code)
	}
	_, log := tryEngine(t, "logs", id)
	for _, want := range []string{"SIGTERM received: after shutdown the main process gets SIGQUIT", "shutdown succeeded after 2.", "main process exited with code 0"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log does not say %q:\n%s", want, log)
		}
	}
}
