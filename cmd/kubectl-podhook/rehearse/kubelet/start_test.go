package kubelet

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A 300 s exec with T=6: SIGTERM at 294 s after the DELETE
// (deploy/kubernetes/kubelet.md).
func TestDeleteDoesNothingWhilePostStartRuns(t *testing.T) {
	main := Container{Name: "main", PostStart: hook()}
	fakes := map[string]fakeContainer{"main": {exec: takes(300*time.Second, 0)}}
	pod := Pod{Containers: []Container{main}, GracePeriod: 6}
	play(t, pod, Scenario{DeleteAt: 6 * time.Second}, fakes, func(r Report) {
		term := at(r, "main", "SIGTERM", true)
		if len(term) != 1 || term[0] < 294 || term[0] > 294.1 {
			t.Errorf("SIGTERM at %v s, want 294.0 to 294.1", term)
		}
	})
}

func TestPostStartDelay(t *testing.T) {
	seen := map[float64]bool{}
	for seed := range uint64(20) {
		main := Container{Name: "main", PostStart: hook()}
		play(t, Pod{Containers: []Container{main}}, Scenario{Seed: seed}, map[string]fakeContainer{"main": {}}, func(r Report) {
			begins := at(r, "main/postStart", "begins", false)
			if len(begins) != 1 || begins[0] < 0.005 || begins[0] > 0.085 {
				t.Fatalf("seed %d: postStart at %v s, want 0.005 to 0.085", seed, begins)
			}
			seen[begins[0]] = true
		})
	}
	if len(seen) < 10 {
		t.Errorf("only %d different delays of 20 seeds", len(seen))
	}
}

func TestNextContainerWaitsForPostStart(t *testing.T) {
	pod := Pod{Containers: []Container{{Name: "a", PostStart: hook()}, {Name: "b"}}}
	fakes := map[string]fakeContainer{"a": {exec: takes(20*time.Second, 0)}}
	play(t, pod, Scenario{}, fakes, func(r Report) {
		if b := started(r, "b"); b < 20 || b > 20.1 {
			t.Errorf("b started at %v s, want 20.0 to 20.1", b)
		}
	})
}

func TestFailedPostStart(t *testing.T) {
	main := Container{Name: "main", PostStart: hook(), PreStop: hook()}
	calls := 0
	fakes := map[string]fakeContainer{"main": {exec: func(context.Context, []string) (int, error) {
		calls++
		return calls % 2, nil // postStart fails, preStop succeeds
	}}}
	pod := Pod{Containers: []Container{main}, GracePeriod: 6, RestartPolicy: RestartNever}
	play(t, pod, Scenario{}, fakes, func(r Report) {
		wantReasons(t, r, "Created", "Started", "FailedPostStartHook", "Killing")
		killing := r.Events[3]
		if killing.Message != "FailedPostStartHook" || killing.Type != "Normal" {
			t.Errorf("event %+v", killing)
		}
		var order []string
		for _, e := range r.Timeline {
			if e.Who == "main/preStop" && e.What == "begins" || e.What == "SIGTERM" {
				order = append(order, e.What)
			}
		}
		if !slices.Equal(order, []string{"begins", "SIGTERM"}) {
			t.Errorf("order %q, want preStop, SIGTERM", order)
		}
		// The main process exited cleanly, although the hook failed.
		if r.Phase != "Succeeded" || r.Containers[0].Last().Reason != "Completed" || r.EverReady {
			t.Errorf("phase %s, state %+v, ready %v", r.Phase, r.Containers[0].Last(), r.EverReady)
		}
	})
}

func TestSidecarsFailedPostStartKeepsMainFromStarting(t *testing.T) {
	pod := Pod{Sidecars: []Container{{Name: "side", PostStart: hook()}}, Containers: []Container{{Name: "main"}}}
	fakes := map[string]fakeContainer{"side": {exec: takes(0, 1)}}
	play(t, pod, Scenario{Restarts: 2, BackOff: time.Second}, fakes, func(r Report) {
		if n := len(r.Containers[1].Starts); n != 0 || r.Phase != "Pending" {
			t.Errorf("main started %d times, phase %s", n, r.Phase)
		}
		if n := r.Containers[0].RestartCount; n != 2 {
			t.Errorf("%d restarts of the sidecar, want 2", n)
		}
	})
}

func TestMainWaitsForItsSidecarsStartupProbe(t *testing.T) {
	var ready atomic.Bool
	startup := &Probe{Exec: []string{"up"}, Period: time.Second, Timeout: time.Second, FailureThreshold: 100}
	pod := Pod{Sidecars: []Container{{Name: "side", Startup: startup}}, Containers: []Container{{Name: "main"}}}
	fakes := map[string]fakeContainer{"side": {exec: func(context.Context, []string) (int, error) {
		if !ready.Load() {
			time.AfterFunc(8500*time.Millisecond, func() { ready.Store(true) })
			return 1, nil
		}
		return 0, nil
	}}}
	play(t, pod, Scenario{}, fakes, func(r Report) {
		if main := started(r, "main"); main < 9 || main > 9.1 {
			t.Errorf("main started at %v s, want 9.0 to 9.1", main)
		}
	})
}

func TestBackOffBetweenRestarts(t *testing.T) {
	fakes := map[string]fakeContainer{"main": {exitAfter: time.Second, exitCode: 1}}
	pod := Pod{Containers: []Container{{Name: "main", PreStop: hook()}}}
	play(t, pod, Scenario{Restarts: 3, StopAfter: time.Hour}, fakes, func(r Report) {
		var starts []float64
		for _, s := range r.Containers[0].Starts {
			starts = append(starts, s.StartedAt)
		}
		if !slices.Equal(starts, []float64{0, 1, 12, 33}) {
			t.Errorf("starts at %v, want 0, 1, 12, 33", starts)
		}
		// preStop is not called for a container that exits by itself.
		if len(r.Hooks) != 0 {
			t.Errorf("hooks %+v, want none", r.Hooks)
		}
	})
}

func TestRestartPolicyAndPhase(t *testing.T) {
	for name, c := range map[string]struct {
		policy   RestartPolicy
		code     int
		restarts int
		phase    string
	}{
		"Always, 0":    {RestartAlways, 0, 1, "Succeeded"},
		"Always, 1":    {RestartAlways, 1, 1, "Failed"},
		"OnFailure, 0": {RestartOnFailure, 0, 0, "Succeeded"},
		"OnFailure, 1": {RestartOnFailure, 1, 1, "Failed"},
		"Never, 0":     {RestartNever, 0, 0, "Succeeded"},
		"Never, 1":     {RestartNever, 1, 0, "Failed"},
	} {
		t.Run(name, func(t *testing.T) {
			pod := Pod{
				RestartPolicy: c.policy, GracePeriod: 30,
				Sidecars: []Container{{Name: "side"}}, Containers: []Container{{Name: "main"}},
			}
			fakes := map[string]fakeContainer{"main": {exitAfter: time.Second, exitCode: c.code}}
			play(t, pod, Scenario{Restarts: 1, StopAfter: time.Hour}, fakes, func(r Report) {
				main := r.Containers[1]
				if main.RestartCount != c.restarts || r.Phase != c.phase {
					t.Errorf("%d restarts, phase %s; want %d, %s", main.RestartCount, r.Phase, c.restarts, c.phase)
				}
				if n := len(at(r, "side", "SIGTERM", false)); n != 1 {
					t.Errorf("%d SIGTERMs for the sidecar, want 1", n)
				}
			})
		})
	}
}

// kubelet always restarts a native sidecar, with any restart policy of the pod.
func TestSidecarIsRestartedWhateverThePolicy(t *testing.T) {
	pod := Pod{
		RestartPolicy: RestartNever, GracePeriod: 30,
		Sidecars: []Container{{Name: "side"}}, Containers: []Container{{Name: "main"}},
	}
	fakes := map[string]fakeContainer{"side": {exitAfter: time.Second}}
	play(t, pod, Scenario{Restarts: 1, StopAfter: 10 * time.Second}, fakes, func(r Report) {
		if n := r.Containers[0].RestartCount; n != 1 {
			t.Errorf("%d restarts of the sidecar, want 1", n)
		}
	})
}

func TestProbeThatGoesOnFailingIsOneLine(t *testing.T) {
	readiness := &Probe{Exec: []string{"ready"}, Period: time.Second, Timeout: time.Second, FailureThreshold: 1, SuccessThreshold: 1}
	pod := Pod{GracePeriod: 30, Containers: []Container{{Name: "main", Readiness: readiness}}}
	fakes := map[string]fakeContainer{"main": {exec: takes(0, 1)}}
	play(t, pod, Scenario{DeleteAt: 9500 * time.Millisecond}, fakes, func(r Report) {
		wantReasons(t, r, "Created", "Started", "Unhealthy", "Killing")
		lines := 0
		for _, e := range r.Timeline {
			if strings.HasPrefix(e.Result, "Warning Unhealthy") {
				lines++
			}
		}
		if count := r.Events[2].Count; count != 10 || lines != 1 {
			t.Errorf("counted %d, %d lines; want 10, 1", count, lines)
		}
	})
}

func TestLivenessFailureRestartsOneContainer(t *testing.T) {
	grace := int64(3)
	liveness := &Probe{Exec: []string{"alive"}, Period: time.Second, Timeout: time.Second, FailureThreshold: 3, GracePeriod: &grace}
	pod := Pod{
		GracePeriod: 60,
		Containers:  []Container{{Name: "main", PreStop: hook(), Liveness: liveness}, {Name: "other"}},
	}
	fakes := map[string]fakeContainer{"main": {ignores: true, exec: func(_ context.Context, argv []string) (int, error) {
		if argv[0] == "alive" {
			return 1, nil
		}
		return 0, nil
	}}}
	play(t, pod, Scenario{Restarts: 1, StopAfter: 20 * time.Second}, fakes, func(r Report) {
		if r.Containers[0].RestartCount != 1 || r.Containers[1].RestartCount != 0 {
			t.Errorf("containers %+v", r.Containers)
		}
		killing := r.Events[slices.Index(reasons(r), "Killing")]
		if killing.Message != "Container main failed liveness probe, will be restarted" {
			t.Errorf("event %+v", killing)
		}
		// Third failure at 2 s; the probe's own grace period is 3 s.
		if kill := at(r, "main", "SIGKILL", false); len(kill) == 0 || kill[0] < 4.95 || kill[0] > 5.05 {
			t.Errorf("SIGKILL at %v s, want 5", kill)
		}
		if r.Hooks[0].Hook != "preStop" {
			t.Errorf("hooks %+v", r.Hooks)
		}
	})
}

func TestRehearsedRestart(t *testing.T) {
	pod := Pod{GracePeriod: 30, Containers: []Container{{Name: "main", PostStart: hook(), PreStop: hook()}}}
	s := Scenario{Restarts: 1, RestartAfter: 5 * time.Second, StopAfter: 2 * time.Second}
	play(t, pod, s, map[string]fakeContainer{"main": {}}, func(r Report) {
		var hooks []string
		for _, h := range r.Hooks {
			hooks = append(hooks, h.Hook)
		}
		if !slices.Equal(hooks, []string{"postStart", "preStop", "postStart", "preStop"}) {
			t.Errorf("hooks %q", hooks)
		}
		if r.Containers[0].RestartCount != 1 {
			t.Errorf("%d restarts, want 1", r.Containers[0].RestartCount)
		}
	})
}

// A pod that becomes ready while an unhealthy container is in its preStop is not deleted
// before the restart.
func TestReadyDuringARehearsedRestart(t *testing.T) {
	readiness := &Probe{Exec: []string{"ready"}, Period: time.Second, InitialDelay: 6 * time.Second, Timeout: time.Second, FailureThreshold: 1, SuccessThreshold: 1}
	pod := Pod{GracePeriod: 30, Containers: []Container{{Name: "main", PreStop: hook(), Readiness: readiness}}}
	fakes := map[string]fakeContainer{"main": {exec: func(ctx context.Context, argv []string) (int, error) {
		if argv[0] == "hook" {
			return takes(3*time.Second, 0)(ctx, argv)
		}
		return 0, nil
	}}}
	play(t, pod, Scenario{Restarts: 1, RestartAfter: 5 * time.Second}, fakes, func(r Report) {
		if c := r.Containers[0]; c.RestartCount != 1 {
			t.Errorf("container %+v, want 1 restart", c)
		}
	})
}

func TestReadinessBeginsAfterPostStartAndGoesOnWhileStopping(t *testing.T) {
	readiness := &Probe{Exec: []string{"ready"}, Period: time.Second, Timeout: time.Second, FailureThreshold: 1, SuccessThreshold: 1}
	var draining atomic.Bool
	pod := Pod{GracePeriod: 30, Containers: []Container{{Name: "main", PostStart: &Handler{Exec: []string{"start"}}, PreStop: hook(), Readiness: readiness}}}
	fakes := map[string]fakeContainer{"main": {exec: func(ctx context.Context, argv []string) (int, error) {
		switch argv[0] {
		case "start":
			return takes(10*time.Second, 0)(ctx, argv)
		case "hook":
			draining.Store(true)
			return takes(5*time.Second, 0)(ctx, argv)
		}
		if draining.Load() {
			return 1, nil
		}
		return 0, nil
	}}}
	play(t, pod, Scenario{StopAfter: 2500 * time.Millisecond}, fakes, func(r Report) {
		ready := at(r, "main", "ready", false)
		if len(ready) != 1 || ready[0] < 10 || ready[0] > 10.1 {
			t.Errorf("ready at %v s, want 10.0 to 10.1", ready)
		}
		wantAt(t, r, "main", "not ready", true, 0.5)
	})
}

// started is the moment of a container's first start.
func started(r Report, name string) float64 {
	for _, c := range r.Containers {
		if c.Name == name && len(c.Starts) > 0 {
			return c.Starts[0].StartedAt
		}
	}
	return -1
}
