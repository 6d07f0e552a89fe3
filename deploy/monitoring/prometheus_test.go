package monitoring

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/podhook/podhook/internal/testutil"
)

// server is a real Prometheus with the kit's configuration and rules.
type server struct {
	t   *testing.T
	url string
	log string

	process *child
}

// configure writes the kit's files into dir for a machine without Kubernetes and a test
// without patience: targets come from a file, which Debian's Prometheus has in the place
// of the API server, everything happens twice a second, and alerts fire at once.
func configure(t *testing.T, dir string, targets []target) (file string) {
	t.Helper()
	config := strings.Replace(read(t, "prometheus.yml"), "kubernetes_sd_configs: [{role: pod}]", "file_sd_configs: [{files: [targets.json]}]", 1)
	config = regexp.MustCompile(`scrape_interval: \w+`).ReplaceAllString(config, "scrape_interval: 500ms\n  scrape_timeout: 500ms\n  evaluation_interval: 500ms")
	rules := regexp.MustCompile(`(?m)^ *(for|interval): \w+\n`).ReplaceAllString(read(t, "rules.yaml"), "")
	list, err := json.Marshal(targets)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"prometheus.yml": config, "rules.yaml": rules, "targets.json": string(list)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "prometheus.yml")
}

func startPrometheus(t *testing.T, dir string, targets []target) *server {
	t.Helper()
	program := testutil.NeedProgram(t, "prometheus", "prometheus")
	file := configure(t, dir, targets)
	promtool(t, "", "check", "config", file)
	for attempt := range 5 { // another program may take the port first
		address := freeAddress(t)
		s := &server{t: t, url: "http://" + address, log: filepath.Join(dir, fmt.Sprintf("prometheus-%d.log", attempt))}
		c := startChild(t, s.log, []string{"PATH=/usr/bin:/bin"}, program, "--config.file="+file,
			"--storage.tsdb.path="+filepath.Join(dir, fmt.Sprint("data", attempt)), "--web.listen-address="+address)
		s.process = c
		if s.ready(c) {
			return s
		}
		c.stop()
	}
	t.Fatal("prometheus does not start")
	return nil
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// ready waits until the server answers, or has ended.
func (s *server) ready(c *child) bool {
	ready := false
	_ = testutil.Until(testutil.Patience, "prometheus is ready", func() bool {
		if resp, err := http.Get(s.url + "/-/ready"); err == nil {
			resp.Body.Close()
			ready = resp.StatusCode == http.StatusOK
		}
		return ready || c.ended()
	})
	return ready
}

// ask decodes the data of an answer of the API.
func (s *server) ask(path string, query url.Values, data any) {
	s.t.Helper()
	resp, err := http.Get(s.url + "/api/v1/" + path + "?" + query.Encode())
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Status != "success" {
		s.t.Fatalf("%s %v: %s %v", path, query, answer.Error, err)
	}
}

// number is a sample of the API: a time and a text.
type number [2]any

func (n number) isData() bool {
	v, err := strconv.ParseFloat(fmt.Sprint(n[1]), 64)
	return err == nil && v == v // not NaN
}

// returnsData reports whether a query has a value now, or in the last minutes if it is
// that of a graph.
func (s *server) returnsData(query string, graph bool) bool {
	s.t.Helper()
	var data struct {
		Result []struct {
			Value  number
			Values []number
		}
	}
	if now := time.Now(); graph {
		at := func(t time.Time) []string { return []string{strconv.FormatInt(t.Unix(), 10)} }
		s.ask("query_range", url.Values{"query": {query}, "start": at(now.Add(-5 * time.Minute)), "end": at(now), "step": {"1"}}, &data)
	} else {
		s.ask("query", url.Values{"query": {query}}, &data)
	}
	for _, series := range data.Result {
		for _, v := range append(series.Values, series.Value) {
			if v.isData() {
				return true
			}
		}
	}
	return false
}

type alert struct {
	State               string
	Labels, Annotations map[string]string
}

// firing are the alerts that fire, by name and job.
func (s *server) firing() map[string]alert {
	s.t.Helper()
	var data struct{ Alerts []alert }
	s.ask("alerts", nil, &data)
	found := map[string]alert{}
	for _, a := range data.Alerts {
		if a.State == "firing" {
			found[a.Labels["alertname"]+" "+a.Labels["job"]] = a
		}
	}
	return found
}
