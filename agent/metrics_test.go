package agent

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/agent/events"
	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/agent/show"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/process"
	"github.com/podhook/podhook/hooks/procfs"
	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/internal/testutil"
)

// metrics are the samples of a scrape by their name and labels as written.
func (w *world) metrics() map[string]float64 {
	w.t.Helper()
	r := w.get("/metrics")
	if r.status != 200 || r.header.Get("Content-Type") != "text/plain; version=0.0.4; charset=utf-8" {
		w.t.Fatalf("GET /metrics is %d, %q", r.status, r.header.Get("Content-Type"))
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	if _, err := parser.TextToMetricFamilies(strings.NewReader(r.body)); err != nil {
		w.t.Errorf("no exposition format: %v\n%s", err, r.body)
	}
	samples := map[string]float64{}
	for line := range strings.Lines(r.body) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name == "#" {
			continue
		}
		var v float64
		if _, err := fmt.Sscan(value, &v); err != nil {
			w.t.Errorf("%q: %v", line, err)
		}
		samples[name] = v
	}
	return samples
}

// has compares samples; NaN stands for none.
func (w *world) has(want map[string]float64) {
	w.t.Helper()
	got := w.metrics()
	for name, value := range want {
		v, ok := got[name]
		if none := math.IsNaN(value); ok == none || !none && v != value {
			w.t.Errorf("%s is %v (%t), want %v", name, v, ok, value)
		}
	}
}

func TestMetricsOfRuns(t *testing.T) {
	w := serving(t, outcomes)
	w.has(map[string]float64{
		`podhook_build_info{goversion="` + runtime.Version() + `",version="v1.2.3"}`: 1,
		`podhook_runs_total{hook="prestart",outcome="succeeded"}`:                    0,
		`podhook_runs_total{hook="slow",outcome="timed_out"}`:                        0,
		`podhook_runs_total{hook="poststop",outcome="succeeded"}`:                    math.NaN(),
		`podhook_runs_in_progress{hook="shutdown"}`:                                  0,
		`podhook_last_success_timestamp_seconds{hook="prestart"}`:                    math.NaN(),
		`podhook_main_up`: math.NaN(), `podhook_config_last_reload_successful`: 1, `podhook_config_refused_total`: 0,
	})
	run := w.get("/prestart").run(t)
	w.is("/prestart", 200) // already: no second run
	w.is("/hooks/broken", 500)
	w.is("/hooks/broken", 500)
	w.is("/hooks/slow", 504)
	w.has(map[string]float64{
		`podhook_runs_total{hook="prestart",outcome="succeeded"}`:          1,
		`podhook_runs_total{hook="prestart",outcome="failed"}`:             0,
		`podhook_runs_total{hook="broken",outcome="failed"}`:               2,
		`podhook_runs_total{hook="slow",outcome="timed_out"}`:              1,
		`podhook_steps_total{hook="broken",outcome="failed"}`:              2,
		`podhook_steps_total{hook="slow",outcome="timed_out"}`:             1,
		`podhook_step_kills_total{hook="slow",signal="SIGTERM"}`:           1,
		`podhook_run_duration_seconds_count{hook="broken"}`:                2,
		`podhook_run_duration_seconds_bucket{hook="slow",le="0.1"}`:        0,
		`podhook_run_duration_seconds_bucket{hook="slow",le="300"}`:        1,
		`podhook_run_duration_seconds_bucket{hook="slow",le="+Inf"}`:       1,
		`podhook_step_duration_seconds_count`:                              4,
		`podhook_step_duration_seconds_bucket{le="300"}`:                   4,
		`podhook_last_success_timestamp_seconds{hook="broken"}`:            math.NaN(),
		`podhook_http_requests_total{code="200",path="/prestart"}`:         2,
		`podhook_http_requests_total{code="500",path="/hooks/broken"}`:     2,
		`podhook_http_requests_total{code="504",path="/hooks/slow"}`:       1,
		`podhook_http_requests_total{code="200",path="other"}`:             1,
		`podhook_http_requests_total{code="200",path="/metrics"}`:          math.NaN(),
		`podhook_http_requests_total{code="aborted",path="/hooks/broken"}`: math.NaN(),
	})
	got := w.metrics()
	if sum := got[`podhook_run_duration_seconds_sum{hook="slow"}`]; sum < 0.3 || sum > 20 {
		t.Errorf("the run that timed out after 300ms took %v s", sum)
	}
	rec, _, err := w.agent.Store.Hook("prestart").Read()
	if err != nil || rec.RunID != run.Run {
		t.Fatal(err)
	}
	if last, want := got[`podhook_last_success_timestamp_seconds{hook="prestart"}`], float64(rec.End.UnixMilli())/1000; math.Abs(last-want) > 0.01 {
		t.Errorf("the last success was at %v, want %v", last, want)
	}
}

func TestMetricsOfARunInProgress(t *testing.T) {
	w := serving(t, waits)
	w.is("/shutdown?wait=false", 202)
	testutil.Eventually(t, "the hook runs", func() bool { return len(w.lines("runs")) == 1 })
	w.has(map[string]float64{`podhook_runs_in_progress{hook="shutdown"}`: 1, `podhook_http_requests_total{code="202",path="/shutdown"}`: 1})
	w.write(w.dir+"/go", "")
	w.is("/shutdown", 200)
	w.has(map[string]float64{`podhook_runs_in_progress{hook="shutdown"}`: 0, `podhook_runs_total{hook="shutdown",outcome="succeeded"}`: 1})
}

// Runs of exec'd commands count, and those of an agent before a restart of it.
func TestMetricsOfAnotherProcessesRuns(t *testing.T) {
	w := serving(t, outcomes)
	w.is("/hooks/broken", 500)
	other := w.newRunner(context.Background())
	for range 2 {
		if _, err := other.Call(context.Background(), "broken", hooks.Request{Trigger: state.TriggerExec}); err != nil {
			t.Fatal(err)
		}
	}
	w.is("/hooks/broken", 500)
	w.has(map[string]float64{
		`podhook_runs_total{hook="broken",outcome="failed"}`:           4,
		`podhook_steps_total{hook="broken",outcome="failed"}`:          4,
		`podhook_run_duration_seconds_count{hook="broken"}`:            4,
		`podhook_http_requests_total{code="500",path="/hooks/broken"}`: 2,
	})
}

func TestSeriesAreBoundedWhateverACallerSends(t *testing.T) {
	w := serving(t, outcomes)
	for _, path := range []string{"/livez", "/readyz", "/status", "/metrics", "/nothing", "/hooks/none", "/api/broken", "/hooks/broken", "/prestart?wait=x"} {
		w.get(path)
	}
	for _, method := range []string{"DELETE", "BREW"} {
		for _, path := range []string{"/livez", "/api/broken", "/hooks/broken", "/hooks/none", "/nothing"} {
			_, _ = w.do(method, path, "")
			_, _ = w.do(method, path, kubelet)
		}
	}
	for _, path := range []string{"/hooks/broken", "/hooks/none", "/nothing", "/api/broken"} {
		_, _ = w.do("GET", path, kubelet)
	}
	w.metrics()
	before := w.metrics()
	for i := range 300 {
		_, _ = w.do("GET", fmt.Sprintf("/x%d", i), fmt.Sprintf("agent/%d", i))
		_, _ = w.do("GET", fmt.Sprintf("/hooks/h%d", i), kubelet)
		_, _ = w.do("GET", fmt.Sprintf("/hooks/broken/%d?wait=%d&x=%d", i, i, i), "")
		_, _ = w.do(fmt.Sprintf("M%d", i), fmt.Sprintf("/hooks/broken?%d", i), "")
		_, _ = w.do("POST", fmt.Sprintf("/hooks/%%ff%d", i), "")
	}
	after := w.metrics()
	if len(after) != len(before) {
		for name := range after {
			if _, ok := before[name]; !ok {
				t.Errorf("a caller has made %s", name)
			}
		}
	}
	for _, name := range []string{
		`podhook_http_requests_total{code="404",path="other"}`, `podhook_http_requests_total{code="aborted",path="other"}`,
		`podhook_http_requests_total{code="500",path="/api/broken"}`, `podhook_http_requests_total{code="aborted",path="/api/broken"}`,
		`podhook_http_requests_total{code="400",path="/prestart"}`, `podhook_http_requests_total{code="405",path="other"}`,
	} {
		if after[name] == 0 {
			t.Errorf("%s is not counted", name)
		}
	}
}

// The runtime's metrics would multiply a scrape by five.
func TestRuntimeMetricsOnlyWhereAskedFor(t *testing.T) {
	for _, asked := range []bool{false, true} {
		w := serving(t, outcomes, set(func(s *settings.Settings) { s.MetricsRuntime = asked }))
		goroutines, memory := false, false
		for name := range w.metrics() {
			goroutines = goroutines || name == "go_goroutines"
			memory = memory || name == "process_resident_memory_bytes"
			if !asked && !strings.HasPrefix(name, "podhook_") {
				t.Errorf("%s is there", name)
			}
		}
		if goroutines != asked || memory != asked {
			t.Errorf("asked %t: go_goroutines is there %t, process_resident_memory_bytes %t", asked, goroutines, memory)
		}
	}
}

// The metrics of the process are those of proc(5).
func TestProcessMetrics(t *testing.T) {
	w := serving(t, outcomes, set(func(s *settings.Settings) { s.MetricsRuntime = true }))
	self, err := procfs.Proc.Stat(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	kilobytes := func(field string) float64 {
		n, err := strconv.Atoi(strings.TrimSuffix(procfs.Proc.Status(os.Getpid(), field), " kB"))
		if err != nil {
			t.Fatal(err)
		}
		return float64(n) * 1024
	}
	got := w.metrics()
	for name, between := range map[string][2]float64{
		"process_cpu_seconds_total":            {0.01, 1e6},
		"process_open_fds":                     {4, 1000},
		"process_max_fds":                      {float64(limit.Cur), float64(limit.Cur)},
		"process_virtual_memory_bytes":         {kilobytes("VmSize") / 2, kilobytes("VmSize") * 2},
		"process_virtual_memory_max_bytes":     {1e6, math.MaxUint64},
		"process_resident_memory_bytes":        {kilobytes("VmRSS") / 4, kilobytes("VmRSS") * 4},
		"process_start_time_seconds":           {unixSeconds(procfs.Started(self.Start)) - 5, unixSeconds(procfs.Started(self.Start)) + 5},
		"process_network_receive_bytes_total":  {0, 1e18},
		"process_network_transmit_bytes_total": {0, 1e18},
	} {
		if v, ok := got[name]; !ok || v < between[0] || v > between[1] {
			t.Errorf("%s is %v (%t), want %v", name, v, ok, between)
		}
	}
}

func TestPromtoolFindsNothing(t *testing.T) {
	testutil.Slow(t)
	promtool := testutil.NeedProgram(t, "promtool", "prometheus")
	w := serving(t, outcomes, set(func(s *settings.Settings) { s.MetricsRuntime = true }))
	w.agent.Events = &events.Sender{}
	for _, path := range []string{"/prestart", "/shutdown", "/hooks/broken", "/hooks/slow", "/nothing"} {
		w.get(path)
	}
	_, _ = w.do("GET", "/nothing", kubelet)
	w.agent.Course.Started(time.Second)
	w.agent.Course.Stopped(time.Second)
	w.agent.Course.Exited(143)
	w.has(map[string]float64{`podhook_main_start_delay_seconds`: 1, `podhook_main_stop_duration_seconds`: 1, `podhook_main_exit_code`: 143})
	file := filepath.Join(w.dir, "metrics")
	w.write(file, w.is("/metrics", 200))
	result, lines := w.run("sh", "-c", `"$0" check metrics <"$1"`, promtool, file)
	if result.ExitCode != 0 || len(lines) != 0 {
		t.Errorf("promtool ends with %d and says\n%s", result.ExitCode, strings.Join(lines, "\n"))
	}
}

// run runs a program to its end through the world's reaper: nothing else may wait
// for children here.
func (w *world) run(argv ...string) (process.Result, []string) {
	w.t.Helper()
	var lines []string
	result, err := w.reaper.Run(context.Background(), process.Spec{
		Argv: argv, Env: []string{"PATH=/usr/bin:/bin", "HOME=" + w.dir},
		OnLine: func(l process.Line) { lines = append(lines, string(l.Text)) },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return result, lines
}

// The budget of a scrape is 4 kB.
func TestScrapeIsSmall(t *testing.T) {
	w := serving(t, `{hooks: {prestart: {steps: [{sleep: 1ms}]}, shutdown: {steps: [{sleep: 1ms}]}}}`)
	w.agent.Log = show.OwnLog()
	w.is("/readyz", 503)
	for _, path := range []string{"/prestart", "/livez", "/readyz", "/shutdown", "/metrics"} {
		w.is(path, 200)
	}
	body := w.is("/metrics", 200)
	if len(body) > 4000 || len(body) < 1000 {
		t.Errorf("a scrape has %d bytes, want at most 4000:\n%s", len(body), body)
	}
}

func BenchmarkScrape(b *testing.B) {
	w := newWorld(b, `{hooks: {prestart: {steps: [{sleep: 1ms}]}, shutdown: {steps: [{sleep: 1ms}]}}}`)
	for _, hook := range []string{"prestart", "shutdown"} {
		if _, err := w.agent.Runner.Call(context.Background(), hook, hooks.Request{Trigger: state.TriggerExec}); err != nil {
			b.Fatal(err)
		}
	}
	handler := w.agent.Handler()
	req := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	b.ReportAllocs()
	for b.Loop() {
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, req)
		if rec.Code != http.StatusOK {
			b.Fatal(rec.Code, rec.Body.String())
		}
		b.SetBytes(int64(rec.Body.Len()))
	}
}
