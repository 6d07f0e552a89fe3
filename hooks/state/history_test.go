package state

import (
	"fmt"
	"os"
	"path/filepath"
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
	if err := l.Remember(r); err != nil {
		t.Fatal(err)
	}
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
		if info, err := os.Stat(filepath.Join(h.dir, historyName)); err != nil || info.Size() > maxHistory {
			t.Fatalf("%v, %v", info.Size(), err)
		}
	}
	if runs := history(t, h); len(runs) < maxRuns/2 {
		t.Errorf("only %d long runs are kept", len(runs))
	}
	if text, _ := os.ReadFile(filepath.Join(h.dir, historyName)); strings.Contains(string(text), "secret") {
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
	l := mustLock(t, h)
	remember(t, l, pastRun("r1", 1, ""))
	path := filepath.Join(h.dir, historyName)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := range whole {
		if err := os.WriteFile(path, append(whole[:len(whole):len(whole)], whole[:cut]...), 0o600); err != nil {
			t.Fatal(err)
		}
		remember(t, l, pastRun("r2", 1, ""))
		runs := history(t, h)
		if len(runs) != 2 || runs[0].RunID != "r1" || runs[1].RunID != "r2" {
			t.Fatalf("cut after %d bytes: %+v", cut, runs)
		}
	}
	if err := l.Unlock(); err != nil {
		t.Fatal(err)
	}
	next := asInstance(s, "0123456789abcdef").Hook("prestart")
	if runs := history(t, next); len(runs) != 0 {
		t.Errorf("another instance has %+v", runs)
	}
	l = mustLock(t, next)
	defer l.Unlock()
	remember(t, l, pastRun("n1", 1, ""))
	if runs := history(t, next); len(runs) != 1 || runs[0].RunID != "n1" {
		t.Errorf("%+v", runs)
	}
}
