package process_test

import (
	"context"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/process"
)

// BenchmarkRun compares a run of /bin/true, lines read, with a bare spawn of it
// in the same process (no output, wait4 alone). Both are measured in turns, so
// that the machine's moods hit both; the ratio is of the medians.
func BenchmarkRun(b *testing.B) {
	const turn = 20
	var bare, ours []time.Duration
	spec := process.Spec{Argv: []string{"/bin/true"}, OnLine: func(process.Line) {}}
	for b.Loop() {
		for range turn {
			began := time.Now()
			spawnBare(b, spec.Argv)
			bare = append(bare, time.Since(began))
		}
		r := process.NewReaper()
		for range turn {
			began := time.Now()
			mustRun(b, r, context.Background(), spec)
			ours = append(ours, time.Since(began))
		}
		r.Close()
	}
	b.ReportMetric(float64(median(bare).Microseconds()), "bare-us")
	b.ReportMetric(float64(median(ours).Microseconds()), "run-us")
	b.ReportMetric(float64(median(ours))/float64(median(bare)), "ratio")
}

// spawnBare is the least that it takes. It must not be called beside a Reaper.
func spawnBare(b *testing.B, argv []string) {
	pid, err := syscall.ForkExec(argv[0], argv, &syscall.ProcAttr{Files: []uintptr{0, 1, 2}})
	if err != nil {
		b.Fatal(err)
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &status, 0, nil); err != nil || status != 0 {
		b.Fatal(err, status)
	}
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}
