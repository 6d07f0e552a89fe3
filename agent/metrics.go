package agent

import (
	"bytes"
	"errors"
	"net/http"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	dto "github.com/prometheus/client_model/go"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// textFormat is the exposition format that every Prometheus reads.
const textFormat = "text/plain; version=0.0.4; charset=utf-8"

// scraped is what the scrapes of an agent share. reading guards it.
type scraped struct {
	own     *collector
	runtime *prometheus.Registry // empty unless PODHOOK_METRICS_RUNTIME asks for it
}

func newScraped(a *Agent) *scraped {
	s := &scraped{own: newCollector(a), runtime: prometheus.NewRegistry()}
	if a.Settings.MetricsRuntime {
		s.runtime.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	}
	return s
}

// metrics answers a scrape. It does not use promhttp, whose compression would make the
// binary much larger.
func (a *Agent) metrics(w http.ResponseWriter, _ *http.Request) {
	text, ok := a.scrapes.Get().(*bytes.Buffer)
	if !ok {
		text = &bytes.Buffer{}
	}
	defer a.scrapes.Put(text)
	text.Reset()
	if err := a.scrape(text); err != nil {
		a.Logger.Error("metrics not complete", "error", err.Error())
	}
	send(w, http.StatusOK, textFormat, text.Bytes())
}

// scrape writes the metrics.
func (a *Agent) scrape(text *bytes.Buffer) error {
	a.reading.Lock()
	defer a.reading.Unlock()
	if a.scraped == nil {
		a.scraped = newScraped(a)
	}
	own := a.scraped.own
	gathered := own.gather(own)
	others, err := a.scraped.runtime.Gather()
	return errors.Join(gathered, err, writeText(text, own.sorted), writeText(text, others))
}

// collector makes the metrics from the state at each scrape. So runs of exec'd hooks
// count too, and a restart of the agent loses nothing.
type collector struct {
	agent *Agent
	families

	runs, runSeconds, running, lastSuccess *prometheus.Desc
	runStart, runDeadline, uncleanStart    *prometheus.Desc
	steps, stepSeconds, kills, stepFailed  *prometheus.Desc
	stepLast, left                         *prometheus.Desc
	mainSignals, mainUp, mainSeen          *prometheus.Desc
	startDelay, stopSeconds, exitCode      *prometheus.Desc
	stopReason                             *prometheus.Desc
	requests, refused, accessOpen, unknown *prometheus.Desc
	configOK, configRefused, lines         *prometheus.Desc
	events                                 *prometheus.Desc
	build                                  *prometheus.Desc
}

func newCollector(a *Agent) *collector {
	all := families{of: map[*prometheus.Desc]*dto.MetricFamily{}}
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return all.desc("podhook_"+name, help, labels...)
	}
	c := &collector{
		agent:         a,
		runs:          desc("runs_total", "Runs that ended.", "hook", "outcome"),
		runSeconds:    desc("run_duration_seconds", "How long runs took.", "hook"),
		running:       desc("runs_in_progress", "Runs that are going on.", "hook"),
		lastSuccess:   desc("last_success_timestamp_seconds", "When the hook last succeeded.", "hook"),
		runStart:      desc("run_start_timestamp_seconds", "When the run in progress began.", "hook"),
		runDeadline:   desc("run_deadline_timestamp_seconds", "When the run in progress must end.", "hook"),
		uncleanStart:  desc("unclean_start_timestamp_seconds", "When prestart began after an unclean end."),
		steps:         desc("steps_total", "Steps that ended.", "hook", "outcome"),
		stepSeconds:   desc("step_duration_seconds", "How long steps took."),
		stepFailed:    desc("step_failed", "Steps of the last run that failed.", "hook", "step"),
		stepLast:      desc("step_last_duration_seconds", "How long the steps of the last run took.", "hook", "step"),
		left:          desc("connections_left", "Connections that a wait for few of them has seen last.", "hook", "step"),
		kills:         desc("step_kills_total", "Signals sent to end steps that timed out or were interrupted.", "hook", "signal"),
		mainSignals:   desc("main_signals_total", "Signals that hooks sent to the main process.", "hook", "signal"),
		mainUp:        desc("main_up", "Whether the main process is there."),
		mainSeen:      desc("main_seen", "Whether the main process was found, once in this instance."),
		startDelay:    desc("main_start_delay_seconds", "How long prestart has held the main process back."),
		stopSeconds:   desc("main_stop_duration_seconds", "How long the main process took to stop."),
		exitCode:      desc("main_exit_code", "The exit code of the main process."),
		stopReason:    desc("stop_reason", "Why the container is stopped.", "reason"),
		requests:      desc("http_requests_total", "HTTP requests.", "path", "code"),
		refused:       desc("http_refused_total", "HTTP requests without the right.", "class", "reason"),
		unknown:       desc("http_unknown_path_total", "Requests of kubelet that nothing answers.", "caller"),
		accessOpen:    desc("access_open", "Whether everybody can run hooks."),
		configOK:      desc("config_last_reload_successful", "Whether the newest configuration is in force."),
		configRefused: desc("config_refused_total", "Broken configurations refused."),
		lines:         desc("log_lines_dropped_total", "Log lines that nobody read."),
		events:        desc("events_total", "Requests to the API server about Events.", "outcome"),
		build:         desc("build_info", "The version of podhook.", "version", "goversion"),
	}
	c.families = all
	return c
}

// Describe sends nothing, because the series depend on the configuration.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect sends all metrics.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge(c.build, 1, c.agent.Version, runtime.Version())
	var steps state.Histogram
	if cfg, err := c.agent.Configuration.Get(); err == nil {
		for name := range cfg.Hooks {
			steps = c.hook(ch, name).Add(steps)
		}
	}
	histogram(ch, c.stepSeconds, steps)
	if f := c.agent.Finder; f != nil {
		_, err := f.Current()
		gauge(c.mainUp, number(err == nil))
		gauge(c.mainSeen, number(f.Seen()))
	}
	c.course(ch)
	if reason := c.agent.knownReason(); reason != "" {
		gauge(c.stopReason, 1, string(reason))
	}
	failures, refused := c.agent.Configuration.Refused()
	gauge(c.configOK, number(refused == nil))
	counter(c.configRefused, uint64(failures))
	if c.agent.Log != nil {
		counter(c.lines, uint64(c.agent.Log.Dropped()))
	}
	if e := c.agent.Events; e != nil {
		sent, failed := e.Counts()
		counter(c.events, sent, "sent")
		counter(c.events, failed, "failed")
	}
	gauge(c.accessOpen, number(c.agent.accessOpen.Load()))
	c.agent.refusals.each(func(k refusalKey, n uint64) { counter(c.refused, n, string(k.class), string(k.reason)) })
	c.agent.unknownPaths.each(func(caller string, n uint64) { counter(c.unknown, n, caller) })
	c.agent.requests.each(func(k requestKey, n uint64) { counter(c.requests, n, k.path, k.code) })
}

// hook sends the metrics of one hook and returns the durations of its steps. poststop,
// which runs only under podhook run, has no metrics before its first run.
func (c *collector) hook(ch chan<- prometheus.Metric, name string) state.Histogram {
	rec, found, err := c.agent.Store.Hook(name).Read()
	if err != nil || name == config.Poststop && !found {
		return state.Histogram{}
	}
	t := rec.Totals
	counter := func(d *prometheus.Desc, v uint64, label string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), name, label)
	}
	for _, outcome := range []state.Outcome{state.Succeeded, state.Failed, state.TimedOut, state.Interrupted} {
		counter(c.runs, t.Runs[outcome], string(outcome))
	}
	for outcome, n := range t.Steps {
		counter(c.steps, n, string(outcome))
	}
	for signal, n := range t.Kills {
		counter(c.kills, n, signal)
	}
	for signal, n := range t.SignalsSent {
		counter(c.mainSignals, n, signal)
	}
	ch <- prometheus.MustNewConstMetric(c.running, prometheus.GaugeValue, number(found && rec.Outcome == state.Running), name)
	if !t.LastSuccess.IsZero() {
		ch <- prometheus.MustNewConstMetric(c.lastSuccess, prometheus.GaugeValue, unixSeconds(t.LastSuccess), name)
	}
	histogram(ch, c.runSeconds, t.RunSeconds, name)
	c.lastRun(ch, rec)
	return t.StepSeconds
}

// knownReason returns why the container is stopped, unknown only where it was asked for.
func (a *Agent) knownReason() state.StopReason {
	reason := stopReason(a.Store)
	if reason == state.StopUnknown && !a.Settings.PodAPI {
		return ""
	}
	return reason
}

func histogram(ch chan<- prometheus.Metric, d *prometheus.Desc, h state.Histogram, labels ...string) {
	if h.Count == 0 {
		return
	}
	buckets := make(map[float64]uint64, len(h.Buckets))
	var below uint64
	for i, bound := range state.Buckets() {
		if i < len(h.Buckets) {
			below += h.Buckets[i]
		}
		buckets[bound] = below
	}
	ch <- prometheus.MustNewConstHistogram(d, h.Count, h.Sum, buckets, labels...)
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
