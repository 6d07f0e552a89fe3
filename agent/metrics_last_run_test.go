package agent

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/podhook/podhook/internal/testutil"
)

// A run in progress has its begin and its deadline, and only as long as it lasts.
func TestMetricsOfABeginAndADeadline(t *testing.T) {
	w := serving(t, waits)
	start, deadline := `podhook_run_start_timestamp_seconds{hook="shutdown"}`, `podhook_run_deadline_timestamp_seconds{hook="shutdown"}`
	none := map[string]float64{start: math.NaN(), deadline: math.NaN()}
	w.has(none)
	w.is("/shutdown?wait=false", 202)
	testutil.Eventually(t, "the hook runs", func() bool { return len(w.lines("runs")) == 1 })
	rec, _, err := w.agent.Store.Hook("shutdown").Read()
	if err != nil {
		t.Fatal(err)
	}
	w.has(map[string]float64{start: float64(rec.Start.UnixMilli()) / 1000, deadline: float64(rec.Deadline.UnixMilli()) / 1000})
	w.write(w.dir+"/go", "")
	w.is("/shutdown", 200)
	w.has(none)
}

// Steps that failed are named until the next run, and a hook with many of them does not
// make many series.
func TestMetricsOfFailedSteps(t *testing.T) {
	many := strings.Repeat("    - {exec: [sh, -c, 'test -e $DIR/go'], onFailure: ignore}\n", 30)
	w := serving(t, "hooks:\n  one:\n    steps:\n    - sleep: 1ms\n    - {name: bad, exec: [sh, -c, 'test -e $DIR/go']}\n    - sleep: 1ms\n  many:\n    steps:\n"+many)
	w.is("/hooks/one", 500)
	w.is("/hooks/many", 200)
	failed := func(hook string) (n int) {
		for name := range w.metrics() {
			if strings.HasPrefix(name, fmt.Sprintf(`podhook_step_failed{hook=%q`, hook)) {
				n++
			}
		}
		return n
	}
	w.has(map[string]float64{`podhook_step_failed{hook="one",step="bad"}`: 1})
	if one, most := failed("one"), failed("many"); one != 1 || most != mostFailedSteps {
		t.Errorf("%d and %d steps have failed, want 1 and %d", one, most, mostFailedSteps)
	}
	w.write(w.dir+"/go", "")
	w.is("/hooks/one", 200)
	if n := failed("one"); n != 0 {
		t.Errorf("%d steps have failed after a success", n)
	}
}
