package state

import (
	"slices"
	"testing"
	"time"
)

func TestTotalsCount(t *testing.T) {
	var tot Totals
	end := time.Now()
	tot.AddRun(Failed, 2, end)
	if !tot.LastSuccess.IsZero() {
		t.Error("a failed run is the last success")
	}
	tot.AddRun(Succeeded, 0.005, end)
	tot.AddRun(TimedOut, 1000, end.Add(time.Hour))
	tot.AddStep(Succeeded, 0.01)
	tot.AddStep(Failed, 0.02)
	tot.AddStep(Skipped, 0)
	tot.AddKills("SIGTERM", 1)
	tot.AddKills("SIGKILL", 1)
	tot.AddKills("SIGKILL", 1)
	tot.AddSignal("SIGQUIT")
	if tot.Runs[Failed] != 1 || tot.Runs[Succeeded] != 1 || tot.Runs[TimedOut] != 1 || !tot.LastSuccess.Equal(end) {
		t.Errorf("runs %v, last success %v", tot.Runs, tot.LastSuccess)
	}
	if tot.Steps[Succeeded] != 1 || tot.Steps[Failed] != 1 || tot.Steps[Skipped] != 1 {
		t.Errorf("steps %v", tot.Steps)
	}
	if tot.Kills["SIGKILL"] != 2 || tot.Kills["SIGTERM"] != 1 || tot.SignalsSent["SIGQUIT"] != 1 {
		t.Errorf("kills %v, signals %v", tot.Kills, tot.SignalsSent)
	}
	if h := tot.RunSeconds; h.Count != 3 || h.Sum != 1002.005 || h.Buckets[0] != 1 || h.Buckets[3] != 1 {
		t.Errorf("run seconds %+v", h)
	}
	if tot.StepSeconds.Count != 2 {
		t.Errorf("%d step durations, want 2: a skipped step has none", tot.StepSeconds.Count)
	}
}

func TestHistogramBounds(t *testing.T) {
	bounds := Buckets()
	if !slices.IsSorted(bounds) || bounds[0] != 0.01 || bounds[len(bounds)-1] != 300 {
		t.Fatalf("bounds %v", bounds)
	}
	for i, b := range bounds {
		var at, above Histogram
		at.Observe(b) // le: the bound belongs to its bucket
		above.Observe(b + 0.001)
		if at.Buckets[i] != 1 {
			t.Errorf("%v s: %v", b, at.Buckets)
		}
		if i+1 < len(bounds) && above.Buckets[i+1] != 1 {
			t.Errorf("just over %v s: %v", b, above.Buckets)
		}
	}
	var h Histogram
	h.Observe(301)
	if slices.Max(h.Buckets) != 0 || h.Count != 1 {
		t.Errorf("over the last bound: %+v", h)
	}
}

// TestSums: what is added up has no more digits than what was measured.
func TestSums(t *testing.T) {
	var a, b Histogram
	for range 10 {
		a.Observe(0.1)
		b.Observe(0.2)
	}
	if sum := a.Add(b); a.Sum != 1 || sum.Sum != 3 {
		t.Errorf("10 times 0.1 is %v, and with 10 times 0.2 %v", a.Sum, sum.Sum)
	}
}
