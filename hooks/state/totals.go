package state

import (
	"maps"
	"math"
	"slices"
	"time"
)

// Totals count what one hook did in this instance, over all its runs. They are part of the
// record, so that the agent's /metrics counts exec'd runs. The record of a run starts with
// the totals of the one before it.
type Totals struct {
	// Runs by outcome.
	Runs map[Outcome]uint64 `json:"runs,omitempty"`
	// Steps by outcome, for all steps together.
	Steps       map[Outcome]uint64 `json:"steps,omitempty"`
	RunSeconds  Histogram          `json:"runSeconds,omitzero"`
	StepSeconds Histogram          `json:"stepSeconds,omitzero"`
	// Kills counts the signals sent to end steps, by name ("SIGTERM").
	Kills map[string]uint64 `json:"kills,omitempty"`
	// SignalsSent counts the signals sent to the main process, by name.
	SignalsSent map[string]uint64 `json:"signalsSent,omitempty"`
	// LastSuccess is the end of the last run that succeeded; zero if none.
	LastSuccess time.Time `json:"lastSuccess,omitzero"`
}

// Histogram counts durations. Buckets[i] counts those in (bound i-1, bound i] of the
// bounds of Buckets(); it is not cumulative. Durations above the last bound count only in
// Count.
type Histogram struct {
	Buckets []uint64 `json:"buckets,omitempty"`
	Sum     float64  `json:"sum"` // seconds
	Count   uint64   `json:"count"`
}

// IsZero keeps an empty histogram out of the JSON.
func (h Histogram) IsZero() bool { return h.Count == 0 }

// Buckets returns the upper bounds of every histogram, in seconds: hooks take between
// 10 ms and 5 minutes. There are few, because each adds a line per hook to every scrape.
func Buckets() []float64 {
	return []float64{0.01, 0.1, 1, 5, 30, 300}
}

// Observe counts one duration in seconds.
func (h *Histogram) Observe(seconds float64) {
	bounds := Buckets()
	if len(h.Buckets) < len(bounds) {
		h.Buckets = append(h.Buckets, make([]uint64, len(bounds)-len(h.Buckets))...)
	}
	if i, _ := slices.BinarySearch(bounds, seconds); i < len(bounds) {
		h.Buckets[i]++
	}
	h.Sum = addSeconds(h.Sum, seconds)
	h.Count++
}

// addSeconds rounds to microseconds, because 0.1+0.2 has 17 digits.
func addSeconds(a, b float64) float64 { return math.Round((a+b)*1e6) / 1e6 }

// Add returns the sum of two histograms. It shares nothing with them.
func (h Histogram) Add(other Histogram) Histogram {
	sum := Histogram{Sum: addSeconds(h.Sum, other.Sum), Count: h.Count + other.Count, Buckets: make([]uint64, len(Buckets()))}
	for i := range sum.Buckets {
		for _, from := range [][]uint64{h.Buckets, other.Buckets} {
			if i < len(from) {
				sum.Buckets[i] += from[i]
			}
		}
	}
	return sum
}

// AddRun counts a run that took seconds and ended at end.
func (t *Totals) AddRun(o Outcome, seconds float64, end time.Time) {
	count(&t.Runs, o)
	t.RunSeconds.Observe(seconds)
	if o == Succeeded {
		t.LastSuccess = end
	}
}

// AddStep counts a step that took seconds. A skipped step does not count in
// StepSeconds.
func (t *Totals) AddStep(o Outcome, seconds float64) {
	count(&t.Steps, o)
	if o != Skipped {
		t.StepSeconds.Observe(seconds)
	}
}

// AddKills counts n signals sent to end a step, by name ("SIGKILL").
func (t *Totals) AddKills(signal string, n int) {
	if n <= 0 {
		return
	}
	if t.Kills == nil {
		t.Kills = map[string]uint64{}
	}
	t.Kills[signal] += uint64(n)
}

// AddSignal counts a signal sent to the main process, by name ("SIGQUIT").
func (t *Totals) AddSignal(signal string) { count(&t.SignalsSent, signal) }

func count[K comparable](m *map[K]uint64, k K) {
	if *m == nil {
		*m = map[K]uint64{}
	}
	(*m)[k]++
}

// Clone returns a copy that shares nothing with t.
func (t Totals) Clone() Totals {
	t.Runs = maps.Clone(t.Runs)
	t.Steps = maps.Clone(t.Steps)
	t.RunSeconds.Buckets = slices.Clone(t.RunSeconds.Buckets)
	t.StepSeconds.Buckets = slices.Clone(t.StepSeconds.Buckets)
	t.Kills = maps.Clone(t.Kills)
	t.SignalsSent = maps.Clone(t.SignalsSent)
	return t
}
