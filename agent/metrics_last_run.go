package agent

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// mostFailedSteps bounds the series of one hook: a hook can have 1000 steps.
const mostFailedSteps = 10

// lastRun sends what only some runs have, so that the scrape of a quiet agent stays small.
func (c *collector) lastRun(ch chan<- prometheus.Metric, rec state.Record) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	if rec.Outcome == state.Running {
		gauge(c.runStart, unixSeconds(rec.Start), rec.Hook)
		gauge(c.runDeadline, unixSeconds(rec.Deadline), rec.Hook)
	}
	if rec.Unclean && rec.Hook == config.Prestart {
		gauge(c.uncleanStart, unixSeconds(rec.Start))
	}
	failed := 0
	for _, s := range rec.Steps {
		if (s.Outcome == state.Failed || s.Outcome == state.TimedOut) && failed < mostFailedSteps {
			gauge(c.stepFailed, 1, rec.Hook, s.Name)
			failed++
		}
	}
}

func unixSeconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
