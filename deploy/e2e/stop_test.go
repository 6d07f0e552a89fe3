//go:build e2e

package e2e

import (
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse/docker"
	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse/kubelet"
	"github.com/podhook/podhook/internal/testutil"
)

// Exec, HTTP and a signal at the same moment: one run, and all callers get its outcome.
func TestThreeCallersOneRun(t *testing.T) {
	t.Parallel()
	out, outArg := volume(t, "/out")
	s := newStarter(t, docker.Options{Args: map[string][]string{"": {outArg}}})
	// The callers get their answers in the seconds that main takes to end.
	p := s.start(kubelet.Container{
		Name: "main", Image: built.Layer, Command: append([]string{"/podhook", "run", "--"}, loop("sleep 3")...),
		Env: []string{"PODHOOK_LISTEN=:8080", `PODHOOK_CONFIG_YAML=hooks:
  shutdown: {steps: [{exec: [sh, -c, "echo $PODHOOK_TRIGGER >> /out/runs; sleep 2"]}]}
`},
	})
	s.said("main: up")
	begin := make(chan struct{})
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			<-begin
			if code, output := run(t, p, "/podhook", "shutdown"); code != 0 {
				t.Errorf("exec: exit code %d: %s", code, output)
			}
		})
		all.Go(func() {
			<-begin
			if status, body := get(t, p, ":8080/shutdown"); status != 200 {
				t.Errorf("http: %d %s", status, body)
			}
		})
	}
	all.Go(func() {
		<-begin
		if err := p.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
	})
	close(begin)
	all.Wait()
	if exit := p.Wait(); exit.Code != 0 {
		t.Errorf("exit code %d, want 0", exit.Code)
	}
	if runs := strings.Fields(read(t, out, "runs")); len(runs) != 1 {
		t.Errorf("runs by %q, want one", runs)
	}
}

// docker stop has no preStop: the signal runs shutdown while main is alive.
func TestDockerStop(t *testing.T) {
	t.Parallel()
	config := `hooks:
  shutdown:
    steps: [{exec: [sh, -c, "sleep 1; echo shutdown done"]}]
  poststop:
    steps: [{exec: [sh, -c, "echo code $PODHOOK_MAIN_EXIT_CODE"]}]
`
	args := append([]string{"run", "--detach", "--env", "PODHOOK_CONFIG_YAML=" + config, built.Layer},
		script("trap 'echo got TERM; exit 7' TERM; echo up; while :; do sleep 0.1; done")...)
	id := engine(t, args...)
	defer engine(t, "rm", "--force", id)
	testutil.Eventually(t, "up", func() bool { return strings.Contains(engine(t, "logs", id), "up") })
	start := time.Now()
	engine(t, "stop", "--time", "20", id)
	wantBetween(t, "docker stop returned", time.Since(start).Seconds(), 1, 10)
	log := engine(t, "logs", id)
	last := -1
	for _, text := range []string{"up\n", "shutdown done", "got TERM", "code 7"} {
		at := strings.Index(log, text)
		if at <= last {
			t.Errorf("%q is missing or too early in\n%s", text, log)
		}
		last = at
	}
	if code := engine(t, "inspect", "-f", "{{.State.ExitCode}}", id); code != "7" {
		t.Errorf("exit code %s, want main's 7", code)
	}
}

// A hook that hangs and ignores SIGTERM ends at its timeout. kubelet sees that it has
// failed, and kills nothing.
func TestHangingHook(t *testing.T) {
	t.Parallel()
	c := kubelet.Container{
		Name: "main", Image: built.Layer, Command: append([]string{"/podhook", "run", "--"}, loop("pgrep -f hang.hang && echo survivors; echo bye")...),
		Env: []string{"PODHOOK_LISTEN=:8080", "PODHOOK_GRACE_PERIOD=20s", `PODHOOK_CONFIG_YAML=hooks:
  shutdown: {steps: [{exec: [sh, -c, "trap '' TERM; : hang hang; (setsid sleep 1000 &) ; sleep 1000"], timeout: 1s, killAfter: 500ms}]}
`},
		PreStop: httpHook("8080", "/shutdown"), Readiness: httpProbe("8080", "/readyz"),
	}
	r := rehearse(t, kubelet.Pod{Containers: []kubelet.Container{c}}, docker.Options{}, kubelet.Scenario{StopAfter: time.Second})
	wantEvents(t, r, "Created", "Started", "Killing", "FailedPreStopHook")
	wantBetween(t, "preStop ended", sinceDelete(t, r, "main/preStop", "fails"), 1.4, 8)
	wantLogged(t, r, "main", "survivors", 0)
	wantLogged(t, r, "main", "bye", 1)
	wantExit(t, r, "main", 0, 0)
	if len(find(r, "main", "SIGKILL", "")) > 0 {
		t.Error("killed by kubelet")
	}
	if m := r.Containers[0].Last().Message; !strings.Contains(m, "timed out") {
		t.Errorf("termination message %q", m)
	}
}

// The kernel kills main because memory is used up: poststop gets the signal, podhook exits
// with main's code, and the engine says why.
func TestMainIsOutOfMemory(t *testing.T) {
	t.Parallel()
	out, outArg := volume(t, "/out")
	c := kubelet.Container{
		Name: "main", Image: built.Layer, Command: []string{"/podhook", "run", "--", "tail", "/dev/zero"},
		Env: []string{`PODHOOK_CONFIG_YAML=hooks:
  poststop: {steps: [{exec: [sh, -c, "echo $PODHOOK_MAIN_EXIT_CODE $PODHOOK_MAIN_EXIT_SIGNAL > /out/poststop"]}]}
`},
	}
	o := docker.Options{Args: map[string][]string{"": {outArg, "--memory=64m", "--memory-swap=64m"}}}
	r := rehearse(t, kubelet.Pod{Containers: []kubelet.Container{c}, RestartPolicy: kubelet.RestartNever}, o, kubelet.Scenario{StopAfter: time.Minute})
	wantExit(t, r, "main", 0, 137)
	if reason := r.Containers[0].Last().Reason; reason != "OOMKilled" {
		t.Errorf("reason %s, want OOMKilled", reason)
	}
	if got := read(t, out, "poststop"); got != "137 SIGKILL\n" {
		t.Errorf("poststop saw %q", got)
	}
}

// SIGKILL ends the agent during a run: the run counts as interrupted, and the next call,
// by exec or of a new agent, completes the hook.
func TestAgentKilledInTheMiddleOfARun(t *testing.T) {
	t.Parallel()
	out, outArg := volume(t, "/out")
	s := newStarter(t, docker.Options{Args: map[string][]string{"": {outArg}}})
	p := s.start(kubelet.Container{
		Name: "main", Image: built.Layer,
		Command: []string{"/podhook", "run", "--", "sh", "-c", "/podhook serve & echo $! > /out/agent; sleep 600"},
		Env: []string{`PODHOOK_CONFIG_YAML=hooks:
  shutdown:
    steps:
    - {name: first, once: true, exec: [sh, -c, "echo first >> /out/steps"]}
    - {name: second, exec: [sh, -c, "echo second >> /out/steps; [ -e /out/go ] || exec sleep 60"]}
`, "PODHOOK_MAIN=pid:1"},
	})
	s.said("agent listens")
	answered := make(chan int, 1)
	go func() {
		status, _ := get(t, p, ":8080/shutdown")
		answered <- status
	}()
	testutil.Eventually(t, "the second step", func() bool { return strings.Contains(read(t, out, "steps"), "second") })
	if code, output := run(t, p, "sh", "-c", "kill -KILL $(cat /out/agent)"); code != 0 {
		t.Fatalf("exit code %d: %s", code, output)
	}
	if status := <-answered; status != 0 {
		t.Errorf("the caller got %d from an agent that was killed", status)
	}
	_, status := run(t, p, "/podhook", "status", "-o", "json")
	if !strings.Contains(status, `"interrupted"`) {
		t.Errorf("status %s", status)
	}
	run(t, p, "touch", "/out/go")
	if code, output := run(t, p, "/podhook", "shutdown"); code != 0 {
		t.Errorf("the next call: exit code %d: %s", code, output)
	}
	if got, want := read(t, out, "steps"), "first\nsecond\nsecond\n"; got != want {
		t.Errorf("steps %q, want %q", got, want)
	}
}
