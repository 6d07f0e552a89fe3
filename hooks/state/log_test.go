package state

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// written returns how many bytes this process writes meanwhile (proc_pid_io(5)).
func written(t *testing.T, do func()) (bytes int) {
	t.Helper()
	read := func() (n int) {
		text, err := os.ReadFile("/proc/self/io")
		if err != nil {
			t.Skip(err)
		}
		_, after, _ := strings.Cut(string(text), "wchar: ")
		if _, err := fmt.Sscan(after, &n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := read()
	do()
	return read() - before
}

// play writes a run of so many steps, at the begin and the end of each.
func play(t *testing.T, l *Lock, id string, steps int) {
	t.Helper()
	now := time.Now()
	r := Record{RunID: id, Outcome: Running, Trigger: TriggerHTTP, Start: now, Deadline: now.Add(time.Minute), PID: 4711, ConfigSource: "/etc/podhook/podhook.yaml"}
	for i := range steps {
		r.Steps = append(r.Steps, StepRecord{Name: fmt.Sprint("step-", i), Kind: "exec"})
	}
	r.Steps[0].Outcome, r.Steps[0].Start, r.Steps[0].Attempt = Running, &now, 1
	for i := range steps {
		mustWrite(t, l, r)
		code, end := 0, time.Now()
		r.Steps[i].Outcome, r.Steps[i].End, r.Steps[i].ExitCode = Succeeded, &end, &code
		r.Totals.AddStep(Succeeded, 0.1)
		if i+1 < steps {
			r.Steps[i+1].Outcome, r.Steps[i+1].Start, r.Steps[i+1].Attempt = Running, &end, 1
		}
	}
	end := time.Now()
	r.Outcome, r.End = Succeeded, &end
	r.Totals.AddRun(Succeeded, 1, end)
	mustWrite(t, l, r)
}

// What a run writes grows as its steps, and not with the runs before it.
func TestWhatARunWrites(t *testing.T) {
	s := testStore(t, Options{})
	cost := func(steps int) int {
		h := s.Hook(fmt.Sprint("steps-", steps))
		l := mustLock(t, h)
		defer l.Unlock()
		if err := l.Reserve(); err != nil {
			t.Fatal(err)
		}
		bytes := written(t, func() { play(t, l, "r", steps) })
		if got := mustRead(t, h); len(got.Steps) != steps || got.Steps[steps-1].Outcome != Succeeded || got.Totals.Steps[Succeeded] != uint64(steps) {
			t.Errorf("%d steps: %+v", steps, got.Totals)
		}
		return bytes
	}
	one, many := cost(1), cost(500)
	t.Logf("1 step: %d bytes; 500 steps: %d bytes, %.0f times", one, many, float64(many)/float64(one))
	if many > 550*one {
		t.Errorf("500 steps write %d bytes, more than 550 times the %d of one", many, one)
	}
	h := s.Hook("again")
	runs := func(from int) (bytes int) {
		for n := from; n < from+100; n++ {
			l := mustLock(t, h)
			bytes += written(t, func() { play(t, l, fmt.Sprint("r", n), 1) })
			_ = l.Unlock()
		}
		return bytes
	}
	first := runs(0)
	runs(100)
	later := runs(200)
	t.Logf("100 runs: %d bytes; after 200 others: %d bytes", first, later)
	if later > first+first/2 {
		t.Errorf("100 runs write %d bytes, and %d after 200 others", first, later)
	}
	if size := fileSize(t, h.path()); size > maxLog+reserved+reserveStep+8192 {
		t.Errorf("the file has %d bytes", size)
	}
}

func fileSize(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}
