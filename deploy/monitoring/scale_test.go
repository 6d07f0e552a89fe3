package monitoring

import (
	"context"
	"fmt"
	"net/http/httptest"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/internal/testutil"
)

// scaleHooks are those of a pod of scale.md: both hooks have steps, shutdown fails.
const scaleHooks = `hooks:
  prestart: {steps: [{name: render, exec: ["true"]}, {name: warm, sleep: 1ms}]}
  shutdown: {steps: [{name: deregister, exec: ["true"]}, {name: flush, exec: [sh, -c, "echo no space left; exit 1"], retries: 1, backoff: 10ms}, {name: drain, sleep: 1ms}]}
`

// figure is a row of the table of scale.md.
type figure struct {
	name string
	of   float64
	// mean: it is of one agent already, so one more costs as much.
	mean bool
}

// TestScale measures what agents and a Prometheus that scrapes them need, with a tenth of
// SCALE_AGENTS=20 agents and with all. `make scale` does it with 500 and prints the table that
// scale.md quotes; the difference of both columns is the price of one more pod.
func TestScale(t *testing.T) {
	testutil.Slow(t)
	testutil.NeedProgram(t, "prometheus", "prometheus")
	agents, long := 20, os.Getenv("SCALE_AGENTS") != ""
	if long {
		var err error
		if agents, err = strconv.Atoi(os.Getenv("SCALE_AGENTS")); err != nil || agents < 20 {
			t.Fatalf("SCALE_AGENTS: %q: write a number of at least 20", os.Getenv("SCALE_AGENTS"))
		}
	}
	ctx, cancel := signal.NotifyContext(t.Context(), syscall.SIGINT, syscall.SIGTERM) // what has started is to end
	defer cancel()
	few, many := agents/10, agents
	a, b := measureFleet(ctx, t, few, long), measureFleet(ctx, t, many, long)
	if len(a) != len(b) {
		t.Fatalf("%v\n%v", a, b)
	}
	var table strings.Builder
	fmt.Fprintf(&table, "| figure | %d agents | %d agents | one more |\n", few, many)
	for i := range a {
		slope := (b[i].of - a[i].of) / float64(many-few)
		if a[i].mean {
			slope = b[i].of
		}
		fmt.Fprintf(&table, "| %s | %s | %s | %s |\n", a[i].name, round(a[i].of), round(b[i].of), round(slope))
	}
	for _, one := range measurePod(t) {
		fmt.Fprintf(&table, "| %s | | | %s |\n", one.name, round(one.of))
	}
	page := read(t, "scale.md")
	for line := range strings.Lines(table.String()) {
		if name, _, _ := strings.Cut(line[2:], " |"); !strings.Contains(page, "| "+name+" |") {
			t.Errorf("scale.md has no row %q", name)
		}
	}
	if long {
		fmt.Print(table.String())
	}
}

func round(v float64) string {
	switch {
	case v >= 100 || v <= -100 || v == float64(int(v)):
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 1 || v <= -1:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	return strconv.FormatFloat(v, 'g', 2, 64)
}

// measureFleet starts n agents and a Prometheus, and ends them.
func measureFleet(ctx context.Context, t *testing.T, n int, long bool) []figure {
	t.Helper()
	gateway := new(receiver)
	receives := httptest.NewServer(gateway)
	defer receives.Close()
	var f []figure
	put := func(row figure) {
		if ctx.Err() != nil {
			t.Fatal("interrupted")
		}
		f = append(f, row)
	}
	add := func(name string, of float64) { put(figure{name: name, of: of}) }
	mean := func(name string, of float64) { put(figure{name, of, true}) }
	c := startCrowd(ctx, t, n, receives.URL)
	s := startScraper(t, c.targets, long)

	mean("series of an idle agent", c.each("/metrics", samples))
	add("memory of the idle agents (PSS, kB)", c.memory("Pss:"))
	c.call("/prestart")
	mean("series after prestart", c.each("/metrics", samples))
	c.call("/shutdown")
	mean("series after a failed shutdown", c.each("/metrics", samples))
	mean("bytes of a scrape", c.each("/metrics", func(body string) float64 { return float64(len(body)) }))
	add("memory of the agents (PSS, kB)", c.memory("Pss:"))
	add("memory of the agents (private, kB)", c.memory("Private_Dirty:"))

	s.waitFor(c)
	before, agents := s.look(), c.cpu()
	select {
	case <-ctx.Done():
	case <-time.After(s.window):
	}
	after, scrapes := before, 0.0
	testutil.Eventually(t, "all agents are scraped again", func() bool {
		counted := `prometheus_target_interval_length_seconds_count{interval="` + s.interval + `"}`
		after = s.look()
		scrapes = after[counted] - before[counted]
		return scrapes >= float64(n)
	})
	agents = c.cpu() - agents
	mean("processor time of an agent for a scrape (ms)", 1000*agents/scrapes)
	mean("processor time of Prometheus for a scrape (ms)", 1000*(after["process_cpu_seconds_total"]-before["process_cpu_seconds_total"])/scrapes)
	add("processor time of Prometheus for all rules once (ms)", 1000*s.once(rules(t)))
	add("processor time of Prometheus for the first rule once (ms)", 1000*s.once(rules(t)[:1]))
	add("series in Prometheus", after["prometheus_tsdb_head_series"])
	add("live memory of Prometheus (kB)", s.liveMemory()/1000)
	add("resident memory of Prometheus (kB)", s.look()["process_resident_memory_bytes"]/1000)

	c.end()
	add("pushes of all agents", gateway.count("PUT"))
	mean("bytes of a push", gateway.bytes()/max(gateway.count("PUT"), 1))
	add("lines of all logs", c.logged(func(text string) float64 { return float64(strings.Count(text, "\n")) }))
	add("bytes of all logs", c.logged(func(text string) float64 { return float64(len(text)) }))
	return f
}

// samples are the lines of an exposition that are no comment.
func samples(body string) float64 {
	return float64(len(regexp.MustCompile(`(?m)^[^#\n]`).FindAllString(body, -1)))
}

// scraper is a Prometheus with plain targets and no rules of its own.
type scraper struct {
	*server
	interval string
	window   time.Duration
}

func startScraper(t *testing.T, targets []target, long bool) scraper {
	t.Helper()
	dir := t.TempDir()
	s := startPrometheus(t, dir, targets)
	// The kit's test configuration asks twice a second. Scrapes are the same at any rate, and
	// rules are measured by themselves.
	interval, window := "500ms", 2*time.Second
	if long {
		interval, window = "2s", 20*time.Second
	}
	file := filepath.Join(dir, "prometheus.yml")
	text := regexp.MustCompile(`(?m)^rule_files:.*\n`).ReplaceAllString(read(t, file), "")
	text = regexp.MustCompile(`scrape_interval: \w+`).ReplaceAllString(text, "scrape_interval: "+interval)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s.process.signal(syscall.SIGHUP)
	return scraper{s, interval, window}
}

// look is what Prometheus says of itself.
func (s scraper) look() map[string]float64 {
	found := map[string]float64{}
	for line := range strings.Lines(call(s.t.Context(), strings.TrimPrefix(s.url, "http://"), "/metrics")) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && !strings.HasPrefix(line, "#") {
			found[name], _ = strconv.ParseFloat(value, 64)
		}
	}
	return found
}

// liveMemory is the heap after a garbage collection, in bytes.
func (s scraper) liveMemory() float64 {
	call(s.t.Context(), strings.TrimPrefix(s.url, "http://"), "/debug/pprof/heap?gc=1")
	return s.look()["go_memstats_heap_alloc_bytes"]
}

// waitFor waits until everything that the agents now have was scraped.
func (s scraper) waitFor(c *crowd) {
	s.t.Helper()
	query := fmt.Sprintf(`count(podhook_step_failed) == %d`, len(c.members))
	s.becomesData("all agents are scraped", query, false)
	if s.look()["prometheus_config_last_reload_successful"] != 1 {
		s.t.Fatalf("prometheus has not taken the configuration: %s", read(s.t, s.log))
	}
}

// once is the processor time of one evaluation of rules, in seconds.
func (s scraper) once(rules []rule) float64 {
	const times = 5
	before := s.look()["process_cpu_seconds_total"]
	for range times {
		for _, r := range rules {
			var data any
			s.ask("query", url.Values{"query": {r.Expr}}, &data)
		}
	}
	return (s.look()["process_cpu_seconds_total"] - before) / times
}
