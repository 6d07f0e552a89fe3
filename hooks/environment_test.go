package hooks

import (
	"slices"
	"strings"
	"testing"

	"github.com/podhook/podhook/hooks/state"
)

func TestOverride(t *testing.T) {
	for _, c := range []struct{ base, with, want string }{
		{"A=1 B=2", "", "A=1 B=2"},
		{"A=1 B=2", "A=3", "B=2 A=3"},
		{"A=1 A=2 B=3", "A=4", "B=3 A=4"},
		{"AB=1", "A=2", "AB=1 A=2"},
		{"A", "A=2", "A=2"},
		{"A=x=y", "B=", "A=x=y B="},
	} {
		got := strings.Join(override(strings.Fields(c.base), strings.Fields(c.with)), " ")
		if got != c.want {
			t.Errorf("override(%q, %q) = %q, want %q", c.base, c.with, got, c.want)
		}
	}
}

func TestBoundTails(t *testing.T) {
	line := strings.Repeat("x", 1000)
	steps := func(outcome state.Outcome, count int) []state.StepRecord {
		var list []state.StepRecord
		for range count {
			list = append(list, state.StepRecord{Outcome: outcome, Tail: []string{line}})
		}
		return list
	}
	kept := func(list []state.StepRecord) (n int) {
		for _, s := range list {
			n += len(s.Tail)
		}
		return n
	}
	few := steps(state.Succeeded, 60)
	if boundTails(few); kept(few) != 60 {
		t.Errorf("%d of 60 tails are kept within the limit", kept(few))
	}
	// Tails of failures are kept, and those of the newest successes.
	mixed := slices.Concat(steps(state.Failed, 10), steps(state.Succeeded, 100))
	boundTails(mixed)
	if n := kept(mixed); n != tailsLimit/1000 || kept(mixed[:10]) != 10 || len(mixed[109].Tail) != 1 || len(mixed[10].Tail) != 0 {
		t.Errorf("%d tails are kept, %d of the 10 failures", n, kept(mixed[:10]))
	}
	// The tail of the first failure is kept.
	failures := steps(state.Failed, 100)
	if boundTails(failures); kept(failures) != tailsLimit/1000 || len(failures[0].Tail) != 1 || len(failures[99].Tail) != 0 {
		t.Errorf("%d tails of failures are kept", kept(failures))
	}
}
