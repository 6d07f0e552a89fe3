package rehearse

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/podhook/podhook/internal/testutil"
)

// rehearsedRun is one life of a container whose entrypoint is podhook run.
type rehearsedRun struct {
	hooks  string
	env    []string
	flags  []string
	expect []string
	// logs are lines of the container, in their order, that must be there.
	logs []string
	// within is the most that may pass between DELETE and the end, in seconds.
	within float64
}

// hanging is a shutdown that does not end, failing one that fails.
const (
	hanging = `hooks:
  shutdown:
    timeout: 20s
    steps: [{exec: [echo, "this is shutdown"]}, {exec: [sleep, "1000"]}]
  poststop:
    steps: [{exec: [echo, "this is poststop"]}]
`
	failing = `hooks: {shutdown: {steps: [{exec: [echo, "this is shutdown"]}, {exec: ["false"]}]}}`
	// awaiting is a shutdown for a main process that is never started.
	awaiting = `hooks:
  prestart:
    steps: [{sleep: 3s}]
  shutdown:
    timeout: 20s
    steps: [{wait: {exit: main}}, {sleep: 20s}, {exec: [echo, "this is shutdown"]}]
`
)

const gateAndDrain = `hooks:
  prestart:
    steps: [{exec: [echo, "this is prestart"]}]
  shutdown:
    steps: [{exec: [echo, "this is shutdown"]}]
  poststop:
    steps: [{exec: [echo, "this is poststop"]}]
`

// The entrypoint beside kubelet's hooks, by kubelet's rules, with the real binary.
func TestPodhookAsAnEntrypoint(t *testing.T) {
	t.Parallel()
	podhook, err := testutil.Build(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	all := []string{"this is prestart", "this is shutdown", "this is poststop"}
	good := []string{"ready", "finished", "no-failed-hooks", "no-sigkill", "exit=0"}
	inTime := []string{"ready", "finished", "no-sigkill", "exit=0"}
	for name, row := range map[string]rehearsedRun{
		"no kubelet hooks":       {hooks: gateAndDrain, expect: good, logs: all, within: 20},
		"postStart exec":         {hooks: gateAndDrain, flags: []string{"--post-start-exec", podhook + " prestart"}, expect: good, logs: all, within: 20},
		"preStop httpGet":        {hooks: gateAndDrain, flags: []string{"--pre-stop-http", "PORT/shutdown"}, expect: good, logs: all, within: 20},
		"preStop exec":           {hooks: gateAndDrain, flags: []string{"--pre-stop-exec", podhook + " shutdown"}, expect: good, logs: all, within: 20},
		"preStop ends main":      {hooks: strings.Replace(gateAndDrain, `steps: [{exec: [echo, "this is sh`, `steps: [{signal: TERM}, {exec: [echo, "this is sh`, 1), flags: []string{"--pre-stop-exec", podhook + " shutdown"}, expect: good, logs: all, within: 20},
		"kubelet restarts":       {hooks: strings.Replace(gateAndDrain, "steps: [{exec: [echo, \"this is sh", "steps: [{sleep: 1500ms}, {exec: [echo, \"this is sh", 1), flags: []string{"--pre-stop-http", "PORT/shutdown", "--kubelet-restart-during-prestop", "500ms"}, expect: []string{"ready", "finished", "no-sigkill", "exit=0"}, logs: all, within: 20},
		"liveness restart":       {hooks: gateAndDrain, flags: []string{"--pre-stop-http", "PORT/shutdown", "--restart-after", "500ms"}, expect: append(slices.Clone(good), "restarts=1"), logs: append(slices.Clone(all), all...), within: 20},
		"main ignores SIGTERM":   {hooks: gateAndDrain, env: []string{"STUBBORN=true", "PODHOOK_GRACE_PERIOD=4s"}, flags: []string{"--grace", "4"}, expect: []string{"ready", "finished", "no-sigkill", "exit=137"}, logs: all, within: 4},
		"prestart fails":         {hooks: `hooks: {prestart: {steps: [{exec: ["false"]}]}}`, flags: []string{"--restart-policy", "Never"}, expect: []string{"finished", "exit=1", "phase=Failed"}, within: 20},
		"native sidecar":         {hooks: gateAndDrain, flags: []string{"--sidecar", beside(podhook)}, expect: good, logs: all, within: 25},
		"two containers":         {hooks: gateAndDrain, flags: []string{"--second", beside(podhook)}, expect: good, logs: all, within: 25},
		"stopped while starting": {hooks: `hooks: {prestart: {steps: [{sleep: 60s}]}}`, flags: []string{"--delete-at", "300ms", "--pre-stop-exec", podhook + " shutdown"}, expect: []string{"finished", "no-failed-hooks", "no-sigkill", "exit=143"}, within: 20},
		// The grace period is shorter than PODHOOK_GRACE_PERIOD says, or kubelet's is cut.
		"force delete, exec":     {hooks: hanging, flags: []string{"--force-delete", "--pre-stop-exec", podhook + " shutdown"}, expect: inTime, logs: all[1:], within: 10},
		"force delete, httpGet":  {hooks: hanging, flags: []string{"--force-delete", "--pre-stop-http", "PORT/shutdown"}, expect: inTime, logs: all[1:], within: 10},
		"preStop exec hangs":     {hooks: hanging, flags: []string{"--grace", "3", "--pre-stop-exec", podhook + " shutdown"}, expect: inTime, logs: all[1:], within: 10},
		"preStop httpGet hangs":  {hooks: hanging, flags: []string{"--grace", "3", "--pre-stop-http", "PORT/shutdown"}, expect: inTime, logs: all[1:], within: 10},
		"preStop exec fails":     {hooks: failing, flags: []string{"--pre-stop-exec", podhook + " shutdown"}, expect: inTime, logs: all[1:2], within: 10},
		"preStop httpGet fails":  {hooks: failing, flags: []string{"--pre-stop-http", "PORT/shutdown"}, expect: inTime, logs: all[1:2], within: 10},
		"gated, preStop exec":    {hooks: awaiting, flags: []string{"--delete-at", "500ms", "--pre-stop-exec", podhook + " shutdown"}, expect: []string{"finished", "no-failed-hooks", "no-sigkill", "exit=143"}, logs: all[1:2], within: 15},
		"gated, preStop httpGet": {hooks: awaiting, flags: []string{"--delete-at", "500ms", "--pre-stop-http", "PORT/shutdown"}, expect: []string{"finished", "no-failed-hooks", "no-sigkill", "exit=143"}, logs: all[1:2], within: 15},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			row.rehearse(t, podhook)
		})
	}
}

// beside is another container of the pod: podhook run with hooks of its own.
func beside(podhook string) string {
	hooks := `hooks: {shutdown: {steps: [{exec: [echo, "beside drains"]}]}}`
	argv, _ := json.Marshal([]string{"env", "-u", "PODHOOK_LISTEN", "PODHOOK_CONFIG_YAML=" + hooks,
		podhook, "run", "--", "sh", "-c", `trap "exit 0" TERM; while :; do sleep 0.05; done`})
	return string(argv)
}

func (row rehearsedRun) rehearse(t *testing.T, podhook string) {
	p := newPod(t)
	args := []string{"--isolation", "namespaces", "--tmpfs", "/run", "--probe-period", "20ms", "--readiness-http", p.port + "/readyz",
		"--stop-after", "300ms", "--env", "PODHOOK_LISTEN=" + p.ip + ":" + p.port, "--env", "PODHOOK_CONFIG_YAML=" + row.hooks, "--env", "WORKLOAD=main"}
	for _, entry := range row.env {
		args = append(args, "--env", entry)
	}
	for _, flag := range row.flags {
		args = append(args, strings.Replace(flag, "PORT/", p.port+"/", 1))
	}
	for _, condition := range row.expect {
		args = append(args, "--expect", condition)
	}
	r := rehearseJSON(t, p, append(args, "--", podhook, "run", "--", os.Args[0])...)
	var got []string
	for _, e := range r.Timeline {
		if _, line, found := strings.Cut(e.Result, "/exec-echo | this is "); found && e.Who == "main" {
			got = append(got, "this is "+line)
		}
		if e.What == "ended" && e.Who == "main" && e.SinceDelete != nil && *e.SinceDelete > row.within {
			t.Errorf("main ended %v s after the DELETE, want at most %v", *e.SinceDelete, row.within)
		}
	}
	if !slices.Equal(got, row.logs) {
		t.Errorf("the hooks said %q, want %q", got, row.logs)
	}
	if name := fmt.Sprint(row.expect); strings.Contains(name, "exit=1 ") {
		if m := lastState(t, r, "main").Message; !strings.Contains(m, "podhook: hook prestart failed") {
			t.Errorf("termination message %q", m)
		}
	}
}
