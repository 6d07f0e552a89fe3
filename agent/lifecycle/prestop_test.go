package lifecycle

import (
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/state"
)

// The limits of what counts as the preStop of a stop.
func TestPreStopLimits(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return at.Add(-d) }
	ended := func(outcome state.Outcome, start, end time.Duration) state.Record {
		e := ago(end)
		return state.Record{Trigger: state.TriggerExec, Outcome: outcome, Start: ago(start), End: &e}
	}
	running := func(trigger state.Trigger, start time.Duration) state.Record {
		return state.Record{Trigger: trigger, Outcome: state.Running, Start: ago(start)}
	}
	for name, row := range map[string]struct {
		rec    state.Record
		called time.Duration // ago; 0 for at the run's start
		want   preStop
	}{
		"answered 2 s before":            {ended(state.Succeeded, 8*time.Second, 2*time.Second), 0, preStop{counts: true, began: ago(8 * time.Second)}},
		"answered longer before":         {ended(state.Succeeded, 8*time.Second, 2001*time.Millisecond), 0, preStop{}},
		"asked again 2 s before":         {ended(state.Succeeded, 8*time.Second, 7*time.Second), 2 * time.Second, preStop{counts: true, began: ago(2 * time.Second)}},
		"asked again longer before":      {ended(state.Succeeded, 8*time.Second, 7*time.Second), 2001 * time.Millisecond, preStop{}},
		"asked again while it went on":   {ended(state.Succeeded, 8*time.Second, time.Second), 3 * time.Second, preStop{counts: true, began: ago(3 * time.Second)}},
		"failed":                         {ended(state.Failed, 8*time.Second, time.Second), 0, preStop{counts: true, began: ago(8 * time.Second), failed: true}},
		"timed out":                      {ended(state.TimedOut, 8*time.Second, time.Second), 0, preStop{counts: true, began: ago(8 * time.Second), failed: true}},
		"interrupted":                    {ended(state.Interrupted, 8*time.Second, time.Second), 0, preStop{counts: true, began: ago(8 * time.Second)}},
		"failed longer before":           {ended(state.Failed, 8*time.Second, 3*time.Second), 0, preStop{}},
		"HTTP goes on, 899 ms":           {running(state.TriggerHTTP, 899*time.Millisecond), 0, preStop{counts: true, began: ago(899 * time.Millisecond)}},
		"HTTP goes on, 900 ms":           {running(state.TriggerHTTP, 900*time.Millisecond), 0, preStop{counts: true, began: ago(900 * time.Millisecond), overdue: true}},
		"exec goes on, 1 ms":             {running(state.TriggerExec, time.Millisecond), 0, preStop{counts: true, began: ago(time.Millisecond), overdue: true}},
		"exec began after the signal":    {running(state.TriggerExec, -time.Millisecond), 0, preStop{counts: true, began: at}},
		"the clock was set back an hour": {ended(state.Failed, -time.Hour, -time.Hour), 0, preStop{}},
	} {
		s := shutdownState{found: true, last: row.rec, called: row.rec.Start}
		if row.called != 0 {
			s.called = ago(row.called)
		}
		if got := preStopAt(at, s, true); got != row.want {
			t.Errorf("%s: %+v, want %+v", name, got, row.want)
		}
		// Without a stop signal there is no deadline that has passed.
		row.want.overdue = false
		if got := preStopAt(at, s, false); got != row.want {
			t.Errorf("%s, without a signal: %+v, want %+v", name, got, row.want)
		}
	}
	if got := preStopAt(at, shutdownState{called: at}, true); got != (preStop{}) {
		t.Errorf("without a run: %+v", got)
	}
}
