package demo

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The demo runs with nginx and with the repository's own server, and its output shows
// the whole life. It uses the binaries of `make build`, which `make test` builds first.
func TestDemo(t *testing.T) {
	for _, server := range []string{"nginx", "webserver"} {
		t.Run(server, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command("./run")
			cmd.Env = append(os.Environ(), "DEMO_SERVER="+server, "TMPDIR="+t.TempDir())
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for _, want := range []string{
				"podhook.yaml is good: 3 hooks, 5 steps",
				"pod is ready",
				"SIGTERM",
				"exit code 0 (Completed)",
				"prepare/20-warm-up stderr nothing is cold any more",
				`podhook_runs_total{hook="prestart",outcome="succeeded"} 1`,
			} {
				if !strings.Contains(string(out), want) {
					t.Errorf("not shown: %s\n%s", want, out)
				}
			}
		})
	}
}
