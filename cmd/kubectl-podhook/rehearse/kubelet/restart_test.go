package kubelet

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// The times are those of deploy/kubernetes/kubelet.md, "More".
func TestDelaysOfANode(t *testing.T) {
	pod := Pod{GracePeriod: 30, Sidecars: []Container{{Name: "side"}}, Containers: []Container{{Name: "main"}}}
	fakes := map[string]fakeContainer{"main": {exitAfter: time.Second, exitCode: 1}}
	seen := map[float64]bool{}
	for seed := range uint64(10) {
		s := Scenario{Restarts: Unlimited, StopAfter: time.Hour, DeleteAt: 40 * time.Second, Delays: Observed(), Seed: seed}
		play(t, pod, s, fakes, func(r Report) {
			starts := r.Containers[1].Starts
			if len(starts) != 4 {
				t.Fatalf("seed %d: %d starts, want 4", seed, len(starts))
			}
			between := func(what string, got, from, to float64) {
				if got < from || got > to {
					t.Errorf("seed %d: %s after %v s, want %v to %v", seed, what, got, from, to)
				}
			}
			between("main", starts[0].StartedAt-started(r, "side"), 0.4, 0.9)
			for i, backOff := range []float64{0, 10, 20} {
				between("restart", starts[i+1].StartedAt-starts[i].FinishedAt, backOff+0.4, backOff+1)
			}
			seen[starts[0].StartedAt] = true
		})
	}
	if len(seen) < 5 {
		t.Errorf("only %d different delays of 10 seeds", len(seen))
	}
}

func TestRestartsGoOnUntilTheDelete(t *testing.T) {
	pod := Pod{GracePeriod: 30, Containers: []Container{{Name: "main"}}}
	fakes := map[string]fakeContainer{"main": {exitAfter: time.Second, exitCode: 1}}
	play(t, pod, Scenario{Restarts: Unlimited, StopAfter: time.Hour, DeleteAt: 20 * time.Second}, fakes, func(r Report) {
		if c := r.Containers[0]; c.RestartCount != 2 || c.Waiting != "CrashLoopBackOff" || r.Phase != "Failed" {
			t.Errorf("container %+v, phase %s", c, r.Phase)
		}
		wantReasons(t, r, "Created", "Started", "BackOff")
		wantAt(t, r, "api", "DELETE", false, 20)
		waits := at(r, "main", "waits", false)
		if len(waits) != 2 || waits[0] < 1.9 || waits[1] < 12 {
			t.Errorf("waits at %v s", waits)
		}
	})
}

// A request to the container itself comes before a server can listen.
func TestPostStartHTTPComesWithin2Milliseconds(t *testing.T) {
	for seed := range uint64(20) {
		main := Container{Name: "main", PostStart: &Handler{HTTPGet: &HTTPGet{Port: "undeclared"}}}
		pod := Pod{Containers: []Container{main}, RestartPolicy: RestartNever}
		play(t, pod, Scenario{Seed: seed}, map[string]fakeContainer{"main": {}}, func(r Report) {
			if begins := at(r, "main/postStart", "begins", false); len(begins) != 1 || begins[0] > 0.002 {
				t.Errorf("seed %d: postStart at %v s, want it within 0.002", seed, begins)
			}
		})
	}
}

// A gate that fails ends by itself, and is gone when its preStop comes.
func TestPreStopAfterAFailedGateFails(t *testing.T) {
	main := Container{Name: "main", PostStart: hook(), PreStop: hook()}
	fakes := map[string]fakeContainer{"main": {exitAfter: 100 * time.Millisecond, exitCode: 1, exec: func(ctx context.Context, _ []string) (int, error) {
		<-ctx.Done() // postStart waits for the gate
		return 1, nil
	}}}
	pod := Pod{Containers: []Container{main}, GracePeriod: 6, RestartPolicy: RestartNever}
	play(t, pod, Scenario{}, fakes, func(r Report) {
		wantReasons(t, r, "Created", "Started", "FailedPostStartHook", "Killing", "FailedPreStopHook")
		wantNoSignal(t, r, "main")
	})
}

// A gate that ends 10 ms after it has answered is gone as well.
func TestPreStopComesSomeTimeAfterAFailedPostStart(t *testing.T) {
	main := Container{Name: "main", PostStart: &Handler{HTTPGet: &HTTPGet{Port: "undeclared"}}, PreStop: hook()}
	fakes := map[string]fakeContainer{"main": {exitAfter: 12 * time.Millisecond, exitCode: 1}}
	pod := Pod{Containers: []Container{main}, GracePeriod: 6, RestartPolicy: RestartNever}
	play(t, pod, Scenario{}, fakes, func(r Report) {
		wantReasons(t, r, "Created", "Started", "FailedPostStartHook", "Killing", "FailedPreStopHook")
	})
}

func TestRestartRules(t *testing.T) {
	rule := func(codes ...int) []RestartRule { return []RestartRule{{Action: RestartContainer, Codes: codes}} }
	for name, c := range map[string]struct {
		pod, own RestartPolicy
		rules    []RestartRule
		code     int
		restarts int
	}{
		"a rule against Never":            {RestartNever, "", rule(42), 42, 1},
		"another code":                    {RestartNever, "", rule(42), 1, 0},
		"NotIn":                           {RestartNever, "", []RestartRule{{Action: RestartContainer, Codes: []int{1}, Not: true}}, 42, 1},
		"NotIn takes it not":              {RestartNever, "", []RestartRule{{Action: RestartContainer, Codes: []int{42}, Not: true}}, 42, 0},
		"the container's own policy":      {RestartNever, RestartOnFailure, nil, 1, 1},
		"the container's own Never":       {RestartAlways, RestartNever, nil, 1, 0},
		"a rule before the own policy":    {RestartAlways, RestartNever, rule(42), 42, 1},
		"the own policy after the rules":  {RestartNever, RestartAlways, rule(42), 0, 1},
		"the pod's policy after no match": {RestartOnFailure, "", rule(42), 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			main := Container{Name: "main", PreStop: hook(), RestartPolicy: c.own, RestartRules: c.rules}
			fakes := map[string]fakeContainer{"main": {exitAfter: time.Second, exitCode: c.code}}
			pod := Pod{RestartPolicy: c.pod, GracePeriod: 30, Containers: []Container{main}}
			play(t, pod, Scenario{Restarts: 1, StopAfter: time.Hour}, fakes, func(r Report) {
				if n := r.Containers[0].RestartCount; n != c.restarts || len(r.Hooks) != 0 {
					t.Errorf("%d restarts, hooks %+v; want %d and no preStop", n, r.Hooks, c.restarts)
				}
			})
		})
	}
}

// As observed on 1.37 (deploy/kubernetes/kubelet.md, "The newest").
func TestRestartAllContainers(t *testing.T) {
	rules := []RestartRule{{Action: RestartAllContainers, Codes: []int{88}}}
	pod := Pod{
		GracePeriod: 30,
		Sidecars:    []Container{{Name: "side", PreStop: hook(), PostStart: hook()}},
		Containers: []Container{
			{Name: "main", PreStop: hook(), PostStart: hook(), RestartRules: rules},
			{Name: "other", PreStop: hook()},
		},
	}
	fakes := map[string]fakeContainer{"main": {}, "other": {ignores: true}, "side": {ignores: true}}
	s := Scenario{RestartAfter: 10 * time.Second, Failure: FailRestartAllRule, Restarts: 1, StopAfter: 5 * time.Second}
	play(t, pod, s, fakes, func(r Report) {
		var hooks []string
		for _, h := range r.Hooks[:4] {
			hooks = append(hooks, h.Container+"/"+h.Hook)
		}
		if want := []string{"side/postStart", "main/postStart", "side/postStart", "main/postStart"}; !slices.Equal(hooks, want) {
			t.Errorf("hooks %q, want %q and no preStop", hooks, want)
		}
		begin := at(r, "kubelet", "restarts all", false)
		if len(begin) != 1 {
			t.Fatalf("restarts all at %v s", begin)
		}
		for _, c := range []struct {
			who, what string
			after     float64
		}{{"other", "SIGTERM", 0}, {"other", "SIGKILL", 2}, {"side", "SIGTERM", 2}, {"side", "SIGKILL", 4}} {
			if got := at(r, c.who, c.what, false); len(got) == 0 || got[0]-begin[0] < c.after || got[0]-begin[0] > c.after+0.1 {
				t.Errorf("%s %s at %v s, want it %v s after %v", c.who, c.what, got, c.after, begin)
			}
		}
		for _, c := range r.Containers {
			if c.RestartCount != 1 {
				t.Errorf("%s was restarted %d times, want once", c.Name, c.RestartCount)
			}
		}
		if !r.EverReady || r.Containers[1].Starts[0].ExitCode != 88 {
			t.Errorf("ready %v, main ended with %d", r.EverReady, r.Containers[1].Starts[0].ExitCode)
		}
	})
}

func TestKubeletRestartDuringPostStart(t *testing.T) {
	main := Container{Name: "main", PostStart: hook(), PreStop: hook()}
	calls := 0
	fakes := map[string]fakeContainer{"main": {exec: func(ctx context.Context, argv []string) (int, error) {
		if calls++; calls > 1 {
			return 0, nil
		}
		<-ctx.Done()
		return 0, errors.New("killed")
	}}}
	pod := Pod{Containers: []Container{main}, GracePeriod: 6}
	s := Scenario{KubeletRestartInPostStart: time.Second, KubeletDown: 1500 * time.Millisecond, StopAfter: 5 * time.Second, Restarts: Unlimited}
	play(t, pod, s, fakes, func(r Report) {
		wantReasons(t, r, "Created", "Started", "Killing") // and no FailedPostStartHook
		down, ready := at(r, "kubelet", "goes down", false), at(r, "kubelet", "pod is ready", false)
		if len(down) != 1 || len(ready) != 1 || ready[0]-down[0] < 1.45 || ready[0]-down[0] > 1.6 {
			t.Errorf("down at %v s, ready at %v s; want 1.5 s between them", down, ready)
		}
		if len(r.Hooks) != 2 || !r.Hooks[0].BrokenOff || r.Hooks[1].Hook != "preStop" || r.Containers[0].RestartCount != 0 {
			t.Errorf("hooks %+v, want a postStart that is broken off, and preStop", r.Hooks)
		}
		wantFindings(t, r, "lost: main/postStart was broken off", "hidden: no event tells")
	})
}

func TestDeleteWhileKubeletIsDown(t *testing.T) {
	main := Container{Name: "main", PreStop: hook()}
	pod := Pod{Containers: []Container{main}, GracePeriod: 6}
	fakes := map[string]fakeContainer{"main": {ignores: true, exec: takes(3*time.Second, 0)}}
	s := Scenario{DownAtEnd: true, KubeletDown: 10 * time.Second, StopAfter: time.Second}
	play(t, pod, s, fakes, func(r Report) {
		wantAt(t, r, "main/preStop", "begins", true, 10)
		wantAt(t, r, "main", "SIGTERM", true, 13)
		wantAt(t, r, "main", "SIGKILL", true, 16)
		wantReasons(t, r, "Created", "Started", "Killing")
		wantFindings(t, r, "late: the stop began 10.0 s after the DELETE")
	})
}

func wantNoSignal(t *testing.T, r Report, who string) {
	t.Helper()
	if got := at(r, who, "SIGTERM", false); len(got) > 0 {
		t.Errorf("SIGTERM for %s at %v s, want none", who, got)
	}
}

// wantFindings asserts that the verdict has findings that begin so.
func wantFindings(t *testing.T, r Report, want ...string) {
	t.Helper()
	for _, w := range want {
		if !slices.ContainsFunc(r.Verdict, func(f Finding) bool { return strings.HasPrefix(f.Kind+": "+f.What, w) }) {
			t.Errorf("no %q in the verdict %+v", w, r.Verdict)
		}
	}
}
