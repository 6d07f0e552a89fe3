package state

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// pastRun is an ended run with some steps.
func pastRun(id string, steps int, reason string) Record {
	end := time.Now()
	r := Record{RunID: id, Trigger: TriggerExec, Outcome: Succeeded, Start: end.Add(-time.Second), End: &end, Reason: reason}
	for i := range steps {
		r.Steps = append(r.Steps, StepRecord{Name: fmt.Sprintf("step-%d", i), Outcome: Succeeded, Attempt: 1, Start: &r.Start, End: &end, Tail: []string{"a secret line"}})
	}
	return r
}

func remember(t *testing.T, l *Lock, r Record) {
	t.Helper()
	began := r.Clone()
	began.End, began.Outcome = nil, Running
	mustWrite(t, l, began)
	mustWrite(t, l, r)
}

func history(t *testing.T, h *Hook) []PastRun {
	t.Helper()
	runs, err := h.History()
	if err != nil {
		t.Fatal(err)
	}
	return runs
}

// The history has the last runs, and its file is bounded, whatever the runs are like.
func TestHistory(t *testing.T) {
	s := testStore(t, Options{})
	h := s.Hook("prestart")
	if runs := history(t, h); len(runs) != 0 {
		t.Errorf("%+v", runs)
	}
	l := mustLock(t, h)
	defer l.Unlock()
	for i := range 200 {
		r := pastRun(fmt.Sprint("r", i), i%4*300, strings.Repeat("ä", i*10))
		remember(t, l, r)
		runs := history(t, h)
		last := runs[len(runs)-1]
		if len(runs) > maxRuns || last.RunID != r.RunID || len(last.Steps)+last.MoreSteps != len(r.Steps) || last.End == nil {
			t.Fatalf("after %d runs: %d in the history, the last one is %+v", i+1, len(runs), last)
		}
		if info, err := os.Stat(h.path()); err != nil || info.Size() > maxLog+4*int64(len(normal(t, r)))+reserved+reserveStep {
			t.Fatalf("%v, %v", info.Size(), err)
		}
	}
	if runs := history(t, h); len(runs) < maxRuns/2 {
		t.Errorf("only %d long runs are kept", len(runs))
	}
	if runs := history(t, h); strings.Contains(fmt.Sprintf("%+v", runs), "secret") {
		t.Error("the history has output")
	}
	for i := range 3 * maxRuns {
		remember(t, l, pastRun(fmt.Sprint("s", i), 1, ""))
	}
	if runs := history(t, h); len(runs) != maxRuns || runs[0].RunID != fmt.Sprint("s", 2*maxRuns) {
		t.Errorf("%d short runs are kept, the oldest is %s", len(runs), runs[0].RunID)
	}
}

// A line that a killed process has left unfinished costs no other run, and the runs of
// another instance do not count.
func TestHistoryAfterAKill(t *testing.T) {
	s := testStore(t, Options{})
	h := s.Hook("prestart")
	with := func(h *Hook, do func(l *Lock)) {
		t.Helper()
		l := mustLock(t, h)
		defer l.Unlock()
		do(l)
	}
	with(h, func(l *Lock) { remember(t, l, pastRun("r1", 1, "")) })
	first, err := os.ReadFile(h.path())
	if err != nil {
		t.Fatal(err)
	}
	first = bytes.TrimRight(first, "\x00")
	with(h, func(l *Lock) { remember(t, l, pastRun("r2", 1, "")) })
	both, err := os.ReadFile(h.path())
	if err != nil {
		t.Fatal(err)
	}
	both = bytes.TrimRight(both, "\x00")
	begun := len(first) + bytes.IndexByte(both[len(first):], '\n')
	for cut := len(first); cut < len(both); cut++ {
		if err := os.WriteFile(h.path(), both[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		r := mustRead(t, h)
		if want := map[bool]string{false: "r1 succeeded", true: "r2 interrupted"}[cut > begun]; fmt.Sprint(r.RunID, " ", r.Outcome) != want {
			t.Fatalf("cut after %d bytes: %s of run %s, want %s", cut, r.Outcome, r.RunID, want)
		}
		with(h, func(l *Lock) { remember(t, l, pastRun("r3", 1, "")) })
		var got []string
		for _, r := range history(t, h) {
			got = append(got, fmt.Sprint(r.RunID, " ", r.Outcome))
		}
		want := []string{"r1 succeeded", "r2 interrupted", "r3 succeeded"}
		if cut <= begun {
			want = append(want[:1], want[2])
		}
		if !slices.Equal(got, want) {
			t.Fatalf("cut after %d bytes: %q, want %q", cut, got, want)
		}
	}
	next := asInstance(s, "0123456789abcdef").Hook("prestart")
	if runs := history(t, next); len(runs) != 0 {
		t.Errorf("another instance has %+v", runs)
	}
	with(next, func(l *Lock) { remember(t, l, pastRun("n1", 1, "")) })
	if runs := history(t, next); len(runs) != 1 || runs[0].RunID != "n1" {
		t.Errorf("%+v", runs)
	}
}
