package timeline

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/state"
)

// record is a failed run of a second with n steps, of which the last failed.
func record(n int) (*state.Record, time.Time) {
	begin := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	end := begin.Add(time.Second)
	rec := &state.Record{Outcome: state.Failed, Start: begin, End: &end}
	for i := range n {
		until := begin.Add(time.Duration(i) * time.Millisecond)
		rec.Steps = append(rec.Steps, state.StepRecord{Name: fmt.Sprint("s", i), Outcome: state.Succeeded, Start: &begin, End: &until})
	}
	rec.Steps[n-1] = state.StepRecord{Name: "bad", Outcome: state.TimedOut, Start: &begin, End: &begin, Error: "timed out after 1s", Signal: "SIGKILL"}
	return rec, end
}

func names(bars []Bar) (names []string) {
	for _, b := range bars {
		names = append(names, b.Name)
	}
	return names
}

// Of many steps those that failed and the longest are shown, in their order.
func TestNotable(t *testing.T) {
	rec, now := record(500)
	run := Of(rec, now)
	if got, want := names(run.Notable(3)), []string{"s497", "s498", "bad"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if n := len(run.Notable(500)); n != 500 {
		t.Errorf("%d bars, want all 500", n)
	}
}

// Steps without a bar have their names, and a killed one its signal.
func TestWordsOfSteps(t *testing.T) {
	rec, now := record(2)
	rec.Steps = append(rec.Steps, state.StepRecord{Name: "stop", Outcome: state.Skipped, Error: "an earlier step did not succeed"})
	run := Of(rec, now)
	if about := run.Bars[1].About; about != "timed out after 1s, ended by SIGKILL" {
		t.Errorf("%q", about)
	}
	var out strings.Builder
	run.Print(&out, strings.ToUpper)
	if !strings.HasSuffix(out.String(), "\n  skipped: STOP (AN EARLIER STEP DID NOT SUCCEED)\n") {
		t.Errorf("%s", out.String())
	}
	rec.Outcome, rec.End, rec.Steps[2] = state.Running, nil, state.StepRecord{Name: "stop"}
	if run := Of(rec, now); !slices.Equal(run.Ahead, []string{"stop"}) || run.Skipped != nil {
		t.Errorf("%v to come, %v skipped", run.Ahead, run.Skipped)
	}
}
