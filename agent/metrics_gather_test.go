package agent

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// A pedantic registry gathers the same text, also the second time.
func TestScrapeIsWhatARegistryGathers(t *testing.T) {
	w := serving(t, outcomes)
	for _, path := range []string{"/prestart", "/hooks/broken", "/hooks/slow", "/nothing"} {
		w.get(path)
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(newCollector(w.agent))
	for range 2 {
		var got, want bytes.Buffer
		if err := w.agent.scrape(&got); err != nil {
			t.Fatal(err)
		}
		gathered, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		if err := writeText(&want, gathered); err != nil {
			t.Fatal(err)
		}
		if got.String() != want.String() || got.Len() < 1000 {
			t.Fatalf("the scrape is\n%s\nand a registry gathers\n%s", &got, &want)
		}
		w.get("/hooks/broken")
	}
}

// metricsOf collects fixed metrics.
type metricsOf []prometheus.Metric

func (metricsOf) Describe(chan<- *prometheus.Desc) {}

func (m metricsOf) Collect(ch chan<- prometheus.Metric) {
	for _, one := range m {
		ch <- one
	}
}

// Prometheus refuses a whole scrape that has a series twice.
func TestSeriesTwiceIsLeftOut(t *testing.T) {
	c := newCollector(&Agent{})
	var of metricsOf
	for _, label := range []string{"b", "a", "b", "c", "a"} {
		of = append(of, prometheus.MustNewConstMetric(c.stopReason, prometheus.GaugeValue, 1, label))
	}
	for range 2 {
		err := c.gather(of)
		if err == nil || strings.Count(err.Error(), "podhook_stop_reason has the same labels twice") != 2 {
			t.Errorf("the error is %v", err)
		}
		var text bytes.Buffer
		if err := writeText(&text, c.sorted); err != nil {
			t.Fatal(err)
		}
		const want = "# HELP podhook_stop_reason Why the container is stopped.\n# TYPE podhook_stop_reason gauge\n" +
			`podhook_stop_reason{reason="a"} 1` + "\n" + `podhook_stop_reason{reason="b"} 1` + "\n" + `podhook_stop_reason{reason="c"} 1` + "\n"
		if text.String() != want {
			t.Errorf("the text is\n%s", &text)
		}
	}
}

// A registry's own channels are 32 kB.
func TestScrapeAllocatesLittle(t *testing.T) {
	w := newWorld(t, `{hooks: {prestart: {steps: [{sleep: 1ms}]}, shutdown: {steps: [{sleep: 1ms}]}}}`)
	handler := w.agent.Handler()
	scrape := func() {
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		if rec.Code != http.StatusOK {
			t.Fatal(rec.Code, rec.Body.String())
		}
	}
	scrape()
	const rounds, most = 50, 40 << 10
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range rounds {
		scrape()
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / rounds; each > most {
		t.Errorf("a scrape allocates %d bytes, want at most %d", each, most)
	}
}
