package wait

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/podhook/podhook/hooks/config"
)

// TestHolding: the time begins again after each look at which the condition does not
// hold, and ends at the look that finds it long enough.
func TestHolding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		flaps := Look(func(context.Context) Seen {
			at := time.Since(began)
			return Seen{Done: at < 1500*time.Millisecond || at >= 3*time.Second, Text: "x"}
		})
		interval := Interval(config.Wait{For: config.TCP{}, Holds: 2 * time.Second})
		last, err := flaps.Holding(2*time.Second).Until(t.Context(), interval, func(string) {})
		took := time.Since(began)
		if err != nil || took < 5*time.Second || took > 5*time.Second+2*interval {
			t.Errorf("held after %v with looks every %v: %q, %v", took, interval, last, err)
		}
	})
	once := Look(func(context.Context) Seen { return Seen{Done: true} })
	if !once.Holding(0)(t.Context()).Done || once.Holding(time.Nanosecond)(t.Context()).Done {
		t.Error("only a wait without holds ends at its first look")
	}
}

// TestInterval: one that is given wins.
func TestInterval(t *testing.T) {
	for want, do := range map[time.Duration]config.Wait{
		time.Second:            {For: config.TCP{}},
		2 * time.Second:        {For: config.TCP{}, Interval: 2 * time.Second, Holds: time.Second},
		300 * time.Millisecond: {For: config.TCP{}, Holds: 3 * time.Second},
		100 * time.Millisecond: {For: config.Quiet{}, Holds: 3 * time.Second},
	} {
		if got := Interval(do); got != want {
			t.Errorf("%+v: got %v, want %v", do, got, want)
		}
	}
}
