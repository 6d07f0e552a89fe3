package state

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// BenchmarkRun is all that one run of one step costs the state: on a tmpfs, as
// /run/podhook and /dev/shm are.
func BenchmarkRun(b *testing.B) {
	s := testStore(b, Options{Dir: tmpfsDir(b)})
	h := s.Hook("prestart")
	totals := fullRecord().Totals
	line := []byte("hello")
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		l, ok, err := h.TryLock()
		if err != nil || !ok {
			b.Fatal(ok, err)
		}
		id := fmt.Sprintf("r%d", n)
		n++
		r := Record{RunID: id, Outcome: Running, Start: testTime, Steps: make([]StepRecord, 1), Totals: totals}
		if _, _, err := l.Read(); err != nil {
			b.Fatal(err)
		}
		w, err := l.Output(id)
		if err != nil {
			b.Fatal(err)
		}
		mustWrite(b, l, r)
		if err := w.WriteLine(time.Now(), "step", "stdout", line, 0); err != nil {
			b.Fatal(err)
		}
		r.Outcome, r.Steps = Succeeded, []StepRecord{{Outcome: Succeeded}}
		mustWrite(b, l, r)
		if err := errors.Join(l.HideMarker(), l.WriteMarker([]byte("r1\n"))); err != nil {
			b.Fatal(err)
		}
		_ = l.Unlock()
	}
}

func BenchmarkRead(b *testing.B) {
	s := testStore(b, Options{Dir: tmpfsDir(b)})
	h := s.Hook("prestart")
	l := mustLock(b, h)
	mustWrite(b, l, fullRecord())
	_ = l.Unlock()
	b.ReportAllocs()
	for b.Loop() {
		mustRead(b, h)
	}
}

func BenchmarkOpen(b *testing.B) {
	dir := tmpfsDir(b)
	for b.Loop() {
		testStore(b, Options{Dir: dir})
	}
}
