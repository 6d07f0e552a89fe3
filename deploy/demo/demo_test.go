package demo

import (
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// lostIn is the number of lost requests in a row of the last table.
func lostIn(t *testing.T, out, row string) int {
	t.Helper()
	m := regexp.MustCompile(`(?m)^` + row + ` +(\d+) +(\d+) `).FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("no row %s in\n%s", row, out)
	}
	sent, err := strconv.Atoi(m[1])
	if err != nil || sent < 50 {
		t.Errorf("only %s requests were sent", m[1])
	}
	lost, err := strconv.Atoi(m[2])
	if err != nil {
		t.Fatal(err)
	}
	return lost
}

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
				"podhook.yaml is good: 2 hooks, 5 steps",
				"pod is ready",
				"SIGTERM",
				"exit code 0 (Completed)",
				"prepare/20-warm-up stderr nothing is cold any more",
				`podhook_runs_total{hook="prestart",outcome="succeeded"} 1`,
				"SIGTERM received: after shutdown",
			} {
				if !strings.Contains(string(out), want) {
					t.Errorf("not shown: %s\n%s", want, out)
				}
			}
			if lost := lostIn(t, string(out), "without podhook"); lost == 0 {
				t.Errorf("nothing is lost without podhook:\n%s", out)
			}
			if lost := lostIn(t, string(out), "with podhook"); lost != 0 {
				t.Errorf("%d requests are lost with podhook:\n%s", lost, out)
			}
		})
	}
}
