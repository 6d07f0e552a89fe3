package state

import (
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
	b.ReportAllocs()
	for b.Loop() {
		l, ok, err := h.TryLock()
		if err != nil || !ok {
			b.Fatal(ok, err)
		}
		r := Record{RunID: "r1", Outcome: Running, Start: testTime, Steps: make([]StepRecord, 1), Totals: totals}
		w, err := l.Output("r1")
		if err != nil {
			b.Fatal(err)
		}
		mustWrite(b, l, r)
		if err := w.WriteLine(time.Now(), "step", "stdout", line, 0); err != nil {
			b.Fatal(err)
		}
		r.Outcome = Succeeded
		mustWrite(b, l, r)
		if err := l.WriteMarker([]byte("r1\n")); err != nil {
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
	time.Sleep(2 * settled)
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
