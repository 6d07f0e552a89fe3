package agent

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// mostFailedSteps bounds the series of one hook: a hook can have 1000 steps.
const mostFailedSteps = 10

// mostSteps are named of one hook, in the order of the configuration; otherSteps stands for
// the rest together.
const (
	mostSteps  = 20
	otherSteps = "other"
)

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
	c.lastSteps(ch, rec)
	for _, s := range rec.Steps {
		if (s.Outcome == state.Failed || s.Outcome == state.TimedOut) && failed < mostFailedSteps {
			gauge(c.stepFailed, 1, rec.Hook, s.Name)
			failed++
		}
	}
}

// lastSteps sends how long the steps took. One step alone takes as long as its run.
func (c *collector) lastSteps(ch chan<- prometheus.Metric, rec state.Record) {
	gauge := func(d *prometheus.Desc, v float64, step string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, rec.Hook, step)
	}
	var rest time.Duration
	for i, s := range rec.Steps {
		named := i < mostSteps && s.Name != otherSteps
		if s.Connections != nil && named {
			gauge(c.left, float64(*s.Connections), s.Name)
		}
		if s.Start == nil || s.End == nil || len(rec.Steps) == 1 {
			continue
		}
		if took := s.End.Sub(*s.Start); named {
			gauge(c.stepLast, took.Seconds(), s.Name)
		} else {
			rest += took
		}
	}
	if rest > 0 {
		gauge(c.stepLast, rest.Seconds(), otherSteps)
	}
}

// course sends what is known of the main process's start and end.
func (c *collector) course(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	seen := c.agent.Course.Seen()
	if seen.Delay != nil {
		gauge(c.startDelay, seen.Delay.Seconds())
	}
	if seen.Stop != nil {
		gauge(c.stopSeconds, seen.Stop.Seconds())
	}
	if seen.Code != nil {
		gauge(c.exitCode, float64(*seen.Code))
	}
}

func unixSeconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
