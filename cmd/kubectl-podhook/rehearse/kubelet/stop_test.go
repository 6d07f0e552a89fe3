package kubelet

import (
	"slices"
	"testing"
	"time"
)

// The rows are those of deploy/kubernetes/kubelet.md, "Grace arithmetic".
func TestGraceArithmetic(t *testing.T) {
	second := time.Second
	for name, c := range map[string]struct {
		grace         int64
		preStop       time.Duration // 0 is none
		force         bool
		term, kill    float64
		notWaitedFor  bool
		failedPreStop bool
	}{
		"no hook":                      {grace: 30, term: 0, kill: 30},
		"a 3 s hook of 6 s":            {grace: 6, preStop: 3 * second, term: 3, kill: 6},
		"a 5 s hook of 6 s":            {grace: 6, preStop: 5 * second, term: 5, kill: 7},
		"only whole seconds count":     {grace: 30, preStop: 900 * time.Millisecond, term: 0.9, kill: 30.9},
		"a hook that hangs":            {grace: 6, preStop: forEver, term: 6, kill: 8, notWaitedFor: true, failedPreStop: true},
		"force":                        {grace: 30, force: true, preStop: forEver, term: 1, kill: 3, notWaitedFor: true, failedPreStop: true},
		"never less than 1 s of grace": {grace: 0, preStop: forEver, term: 1, kill: 3, notWaitedFor: true, failedPreStop: true},
	} {
		t.Run(name, func(t *testing.T) {
			main := Container{Name: "main"}
			if c.preStop > 0 {
				main.PreStop = hook()
			}
			fakes := map[string]fakeContainer{"main": {ignores: true, exec: takes(c.preStop, 0)}}
			play(t, Pod{Containers: []Container{main}, GracePeriod: c.grace}, Scenario{Force: c.force}, fakes, func(r Report) {
				wantAt(t, r, "main", "SIGTERM", true, c.term)
				wantAt(t, r, "main", "SIGKILL", true, c.kill)
				want := []string{"Created", "Started", "Killing"}
				if c.failedPreStop { // only when the container dies, and not at T
					want = append(want, "FailedPreStopHook")
					if e := r.Events[len(r.Events)-1]; e.At < c.kill {
						t.Errorf("FailedPreStopHook at %v s, want the death at %v s", e.At, c.kill)
					}
				}
				wantReasons(t, r, want...)
				if got := len(at(r, "main/preStop", "not waited for", true)) > 0; got != c.notWaitedFor {
					t.Errorf("not waited for: %v, want %v", got, c.notWaitedFor)
				}
			})
		})
	}
}

func TestMainExitsDuringItsPreStop(t *testing.T) {
	main := Container{Name: "main", PreStop: hook()}
	fakes := map[string]fakeContainer{"main": {exitAfter: 3 * time.Second, exitCode: 4, exec: takes(forEver, 0)}}
	pod := Pod{Containers: []Container{main}, GracePeriod: 30}
	play(t, pod, Scenario{StopAfter: time.Second}, fakes, func(r Report) {
		wantReasons(t, r, "Created", "Started", "Killing", "FailedPreStopHook")
		wantAt(t, r, "main", "ended", true, 2)
		wantAt(t, r, "main/preStop", "fails", true, 2)
		wantAt(t, r, "main", "SIGTERM", true)
		if last := r.Containers[0].Last(); last.ExitCode != 4 || last.Reason != "Error" || r.Phase != "Failed" {
			t.Errorf("state %+v, phase %s", last, r.Phase)
		}
	})
}

// kubelet itself sleeps, even if the container ends.
func TestSleepActionIsNotCutShort(t *testing.T) {
	sleep := 5 * time.Second
	main := Container{Name: "main", PreStop: &Handler{Sleep: &sleep}}
	fakes := map[string]fakeContainer{"main": {exitAfter: time.Second}}
	play(t, Pod{Containers: []Container{main}, GracePeriod: 30}, Scenario{}, fakes, func(r Report) {
		wantAt(t, r, "main", "ended", true, 1)
		wantAt(t, r, "main/preStop", "succeeds", true, 5)
	})
}

func TestOrdinaryContainersStopEachAfterItsOwnHook(t *testing.T) {
	pod := Pod{GracePeriod: 30, Containers: []Container{{Name: "a", PreStop: hook()}, {Name: "b", PreStop: hook()}, {Name: "c"}}}
	fakes := map[string]fakeContainer{
		"a": {exec: takes(4*time.Second, 0)}, "b": {exec: takes(2*time.Second, 0)}, "c": {},
	}
	play(t, pod, Scenario{}, fakes, func(r Report) {
		wantAt(t, r, "a/preStop", "begins", true, 0)
		wantAt(t, r, "b/preStop", "begins", true, 0)
		wantAt(t, r, "c", "SIGTERM", true, 0)
		wantAt(t, r, "b", "SIGTERM", true, 2)
		wantAt(t, r, "a", "SIGTERM", true, 4)
	})
}

func TestSidecarsStopLastInReverseOrder(t *testing.T) {
	pod := Pod{
		GracePeriod: 30,
		Sidecars:    []Container{{Name: "first", PreStop: hook()}, {Name: "second", PreStop: hook()}},
		Containers:  []Container{{Name: "main", PreStop: hook()}},
	}
	fakes := map[string]fakeContainer{
		"first":  {exec: takes(time.Second, 0)},
		"second": {exec: takes(time.Second, 0), termTakes: 2 * time.Second},
		"main":   {exec: takes(3*time.Second, 0), termTakes: 4 * time.Second},
	}
	play(t, pod, Scenario{}, fakes, func(r Report) {
		for _, who := range []string{"first", "second", "main"} {
			wantAt(t, r, who+"/preStop", "begins", true, 0)
		}
		wantAt(t, r, "main", "SIGTERM", true, 3)
		wantAt(t, r, "second", "SIGTERM", true, 7)
		wantAt(t, r, "first", "SIGTERM", true, 9)
		wantAt(t, r, "first", "ended", true, 9)
	})
}

func TestMainUsesUpTheGracePeriodOfItsSidecars(t *testing.T) {
	pod := Pod{
		GracePeriod: 10,
		Sidecars:    []Container{{Name: "first"}, {Name: "second"}},
		Containers:  []Container{{Name: "main"}},
	}
	fakes := map[string]fakeContainer{"first": {ignores: true}, "second": {ignores: true}, "main": {ignores: true}}
	play(t, pod, Scenario{}, fakes, func(r Report) {
		for _, who := range []string{"first", "second"} {
			wantAt(t, r, who, "SIGTERM", true, 10)
			wantAt(t, r, who, "SIGKILL", true, 12)
		}
		wantAt(t, r, "main", "SIGKILL", true, 10)
	})
}

func TestKubeletRestartCallsPreStopAgainWithTheFullGracePeriod(t *testing.T) {
	main := Container{Name: "main", PreStop: hook()}
	fakes := map[string]fakeContainer{"main": {ignores: true, exec: takes(forEver, 0)}}
	pod := Pod{Containers: []Container{main}, GracePeriod: 6}
	play(t, pod, Scenario{KubeletRestart: 4 * time.Second}, fakes, func(r Report) {
		wantAt(t, r, "main/preStop", "begins", true, 0, 4)
		wantAt(t, r, "main", "SIGTERM", true, 10)
		wantAt(t, r, "main", "SIGKILL", true, 12)
		// The kubelet that went away has not reported the broken hook, and the new one counts
		// anew.
		wantReasons(t, r, "Created", "Started", "Killing", "Killing", "FailedPreStopHook")
		for _, e := range r.Events {
			if e.Count != 1 {
				t.Errorf("%s %d times, want once", e.Reason, e.Count)
			}
		}
	})
}

func TestKubeletRestartAfterTheEndDoesNothing(t *testing.T) {
	main := Container{Name: "main", PreStop: hook()}
	pod := Pod{Containers: []Container{main}, GracePeriod: 6}
	play(t, pod, Scenario{KubeletRestart: 4 * time.Second}, map[string]fakeContainer{"main": {}}, func(r Report) {
		wantAt(t, r, "main/preStop", "begins", true, 0)
	})
}

func TestStopSignal(t *testing.T) {
	main := Container{Name: "main", StopSignal: 3}
	play(t, Pod{Containers: []Container{main}}, Scenario{}, map[string]fakeContainer{"main": {}}, func(r Report) {
		wantAt(t, r, "main", "SIGQUIT", true, 0)
	})
}

func TestGivingUpLeavesNothingBehind(t *testing.T) {
	main := Container{Name: "main", PostStart: hook()}
	fakes := map[string]fakeContainer{"main": {ignores: true, exec: takes(forEver, 0)}}
	pod := Pod{Containers: []Container{main}, GracePeriod: 6}
	play(t, pod, Scenario{DeleteAt: time.Hour}, fakes, func(r Report) {
		if !r.GaveUp {
			t.Error("a postStart that hangs for ever ended")
		}
		deletes := slices.Collect(func(yield func(string) bool) {
			for _, e := range r.Timeline {
				if e.What == "DELETE" && !yield(e.Result) {
					return
				}
			}
		})
		want := "grace period 6 s (the latest moment of this rehearsal); nothing comes of it while main/postStart runs"
		if !slices.Equal(deletes, []string{want}) {
			t.Errorf("DELETE: %q", deletes)
		}
		if last := r.Containers[0].Last(); last.ExitCode != 137 {
			t.Errorf("exit code %d, want 137", last.ExitCode)
		}
	})
}
