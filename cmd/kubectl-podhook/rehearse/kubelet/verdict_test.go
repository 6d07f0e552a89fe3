package kubelet

import (
	"context"
	"strings"
	"testing"
	"time"
)

// Each scenario leaves its traces, and the verdict names them.
func TestVerdict(t *testing.T) {
	second := time.Second
	both := Container{Name: "main", PostStart: hook(), PreStop: hook()}
	side := Container{Name: "side"}
	for name, c := range map[string]struct {
		sidecars []Container
		main     Container
		is       fakeContainer
		scenario Scenario
		events   string // the reasons, without Created and Started
		phase    string
		verdict  []string
	}{
		"delete": {main: both, events: "Killing", phase: "Succeeded"},
		"drain":  {main: both, scenario: Scenario{End: EndDrain}, events: "Killing", phase: "Succeeded"},
		"eviction": {
			main: both, is: fakeContainer{exec: onStop(5*second, 0)}, scenario: Scenario{End: EndEviction},
			events: "Evicted Killing FailedPreStopHook", phase: "Failed",
			verdict: []string{"lost: main/preStop did not end within the grace period", "lost: main/preStop failed", "hidden: why main/preStop failed"},
		},
		"out of memory": {
			main: both, scenario: Scenario{RestartAfter: second, Restarts: Unlimited, Failure: FailOOM, Delays: Observed()},
			events: "Killing", phase: "Succeeded",
			verdict: []string{"lost: main was killed without a signal", "hidden: no event of the pod tells of the OOM kill", "lost: preStop of main was never called: the container ended by itself (OOMKilled, exit code 137)", "late: main was away for 0."},
		},
		"killed twice": {
			main: both, scenario: Scenario{RestartAfter: second, Restarts: 2, Failure: FailKill}, events: "BackOff Killing", phase: "Succeeded",
			verdict: []string{"lost: main was killed, with", "lost: preStop of main", "late: main was away for 0.0 s", "late: main was away for 10.0 s (back-off 10s)"},
		},
		"sidecar killed": {
			sidecars: []Container{side}, main: both, scenario: Scenario{RestartAfter: second, Restarts: Unlimited, RestartContainer: "side", Failure: FailKill},
			events: "Killing Killing", phase: "Succeeded",
			verdict: []string{"lost: side was killed", "late: side was away", "hidden: side is new, and nobody calls main/postStart again"},
		},
		"killed by its grace period": {
			main: both, is: fakeContainer{ignores: true}, events: "Killing", phase: "Failed",
			verdict: []string{"lost: main got SIGKILL when its grace period was over"},
		},
		"a failed preStop": {
			main: both, is: fakeContainer{exec: onStop(0, 3)}, events: "Killing FailedPreStopHook", phase: "Succeeded",
			verdict: []string{`lost: main/preStop failed: command ["hook"] exited with 3`, "hidden: why main/preStop failed", "hidden: the pod's phase is Succeeded although main/preStop failed"},
		},
		"kubelet restarts in preStop": {
			main: both, is: fakeContainer{exec: onStop(3*second, 0)}, scenario: Scenario{KubeletRestart: second, KubeletDown: second},
			events: "Killing Killing", phase: "Succeeded",
			verdict: []string{"late: main/preStop was broken off after 1.0 s, and called again"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			pod := Pod{GracePeriod: 6, Sidecars: c.sidecars, Containers: []Container{c.main}}
			if c.scenario.StopAfter == 0 {
				c.scenario.StopAfter = second
			}
			play(t, pod, c.scenario, map[string]fakeContainer{"main": c.is, "side": {}}, func(r Report) {
				var events []string
				for _, reason := range reasons(r) {
					if reason != "Created" && reason != "Started" {
						events = append(events, reason)
					}
				}
				if got := strings.Join(events, " "); got != c.events || r.Phase != c.phase {
					t.Errorf("events %q, phase %s; want %q, %s", got, r.Phase, c.events, c.phase)
				}
				wantFindings(t, r, c.verdict...)
				if len(r.Verdict) != len(c.verdict) {
					t.Errorf("verdict %+v, want %d findings", r.Verdict, len(c.verdict))
				}
			})
		})
	}
}

// onStop plays a postStart that succeeds at once, and a preStop that takes a time.
func onStop(d time.Duration, code int) func(context.Context, []string) (int, error) {
	calls := 0
	return func(ctx context.Context, argv []string) (int, error) {
		if calls++; calls == 1 {
			return 0, nil
		}
		return takes(d, code)(ctx, argv)
	}
}

// An eviction has a grace period of 1 s, whatever that of the pod is.
func TestEvictionGracePeriod(t *testing.T) {
	main := Container{Name: "main", PreStop: hook()}
	fakes := map[string]fakeContainer{"main": {ignores: true, exec: takes(forEver, 0)}}
	play(t, Pod{Containers: []Container{main}, GracePeriod: 60}, Scenario{End: EndEviction}, fakes, func(r Report) {
		wantAt(t, r, "main", "SIGTERM", true, 1)
		wantAt(t, r, "main", "SIGKILL", true, 3)
	})
}
