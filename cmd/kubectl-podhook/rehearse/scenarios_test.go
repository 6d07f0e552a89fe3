package rehearse

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/podhook/podhook/internal/testutil"
)

// README.md has a row for each scenario, in their order, with its flags.
func TestReadmeScenarios(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	table.WriteString("| scenario | what happens | what is to be seen | the same as | expected |\n| --- | --- | --- | --- | --- |\n")
	for _, s := range scenarios() {
		flags := ""
		if len(s.flags) > 0 {
			flags = "`" + strings.Join(s.flags, " ") + "`"
		}
		table.WriteString("| `" + s.name + "` | " + s.happens + " | " + s.seen + " | " + flags + " | " + strings.Join(s.expect, ", ") + " |\n")
	}
	if !bytes.Contains(readme, []byte(table.String())) {
		t.Errorf("README.md does not have the table of scenarios:\n%s", table.String())
	}
}

// quick makes every scenario short. The pod has all that they need.
func quick(p pod, more ...string) []string {
	loop := "trap 'exit 0' TERM QUIT; while :; do sleep 0.02; done"
	sidecar, _ := json.Marshal([]string{"sh", "-c", loop})
	args := []string{"--scenario", "all", "--pod-ip", p.ip, "--isolation", "namespaces", "--grace", "3", "--stop-after", "200ms", "--limit", "60s",
		"--kubelet-down", "300ms", "--back-off", "100ms", "--stop-signal", "SIGQUIT",
		"--restart-rule", "Restart=42", "--restart-rule", "RestartAllContainers=88", "--sidecar", string(sidecar),
		"--post-start-exec", "sleep 0.1", "--pre-stop-exec", "sleep 0.4"}
	return append(append(args, more...), "--", "sh", "-c", loop)
}

func TestAllScenarios(t *testing.T) {
	t.Parallel()
	testutil.Slow(t)
	var out bytes.Buffer
	code, err := run(t.Context(), quick(newPod(t), "-o", "json"), &out)
	if err != nil || code != exitRan {
		t.Fatalf("exit code %d, %v\n%s", code, err, out.String())
	}
	var all struct{ Scenarios []rehearsal }
	if err := json.Unmarshal(out.Bytes(), &all); err != nil {
		t.Fatal(err)
	}
	verdicts := map[string]string{
		"delete": "", "drain": "", "stop-signal": "", "liveness": "late: main was away for 0.",
		"oom": "lost: preStop of main was never called", "crash-loop": "(back-off 100ms)",
		"sidecar-killed": "hidden: sh is new, and nobody calls main/postStart again", "kubelet-restart": "late: main/preStop was broken off",
		"kubelet-restart-poststart": "lost: main/postStart was broken off", "restart-rule": "exit code 42", "restart-all": "exit code 88",
	}
	if len(all.Scenarios) != len(scenarios()) {
		t.Errorf("%d scenarios, want %d", len(all.Scenarios), len(scenarios()))
	}
	for _, r := range all.Scenarios {
		var verdict []string
		for _, f := range r.Verdict {
			verdict = append(verdict, f.Kind+": "+f.What)
		}
		want, checked := verdicts[r.Scenario]
		if text := strings.Join(verdict, "\n"); checked && (want == "" && text != "" || !strings.Contains(text, want)) {
			t.Errorf("%s: verdict %q, want %q", r.Scenario, text, want)
		}
		if r.Skipped != "" || !r.EverReady {
			t.Errorf("%s: skipped %q, ready %v", r.Scenario, r.Skipped, r.EverReady)
		}
		if r.Scenario == "stop-signal" && (len(find(r.Report, "main", "SIGQUIT")) != 1 || len(find(r.Report, "main", "SIGTERM")) > 0) {
			t.Error("stop-signal: want SIGQUIT and no SIGTERM")
		}
	}
}

// A condition of one scenario that is not met is the exit code of all, and the closing
// table says so. Scenarios that do not fit are skipped.
func TestClosingTable(t *testing.T) {
	t.Parallel()
	testutil.Slow(t)
	var out bytes.Buffer
	args := []string{"--scenario", "all", "--pod-ip", newPod(t).ip, "--grace", "1", "--stop-after", "0s", "--back-off", "100ms", "--kubelet-down", "100ms",
		"--expect", "oom:restarts=0", "--expect", "drain:exit=0", "--", "sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.02; done"}
	code, err := run(t.Context(), args, &out)
	if err != nil || code != exitDiffers {
		t.Fatalf("exit code %d, %v", code, err)
	}
	_, table, _ := strings.Cut(out.String(), "\nSCENARIO ")
	for _, want := range []string{
		"\ndrain                      met          nothing was lost, late or hidden\n",
		"\noom                        NOT MET      not as expected: oom:restarts=0: main was restarted 1 times\n",
		"\nliveness                   met          late: main was away for ",
		"\nsidecar-killed             skipped      the pod has no native sidecar\n",
		"\nrestart-all                skipped      no container has restartPolicyRules with the action RestartAllContainers\n",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
}

// A pod that is never ready is not played fourteen times.
func TestScenariosOfAPodThatIsNeverReady(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	code, err := run(t.Context(), []string{"--scenario", "all", "--pod-ip", newPod(t).ip, "--grace", "1", "--delete-at", "200ms", "--readiness-exec", "false", "--", "sleep", "60"}, &out)
	if err != nil || code != exitDiffers {
		t.Fatalf("exit code %d, %v", code, err)
	}
	for _, want := range []string{"delete                     NOT MET      not as expected: ready: the pod was never ready\n", "oom                        skipped      the pod was never ready in scenario delete\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestOneScenario(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	args := []string{"--scenario", "eviction", "--pod-ip", newPod(t).ip, "--stop-after", "0s", "--", "sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.02; done"}
	if code, err := run(t.Context(), args, &out); err != nil || code != exitRan {
		t.Fatalf("exit code %d, %v", code, err)
	}
	for _, want := range []string{"scenario eviction\n", "evicts            grace period 1 s", "Warning  Evicted ", "Pod rehearsed: Failed\n", "\nVerdict: "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}
