package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/process"
	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/internal/testutil"
)

// promServer is a real Prometheus that scrapes the world's agent.
type promServer struct {
	w   *world
	url string
	log logs
}

func startPrometheus(t *testing.T, w *world) *promServer {
	t.Helper()
	program := testutil.NeedProgram(t, "prometheus", "prometheus")
	p := &promServer{w: w}
	dir := t.TempDir()
	file := filepath.Join(dir, "prometheus.yml")
	w.write(file, fmt.Sprintf("global: {scrape_interval: 250ms, scrape_timeout: 250ms}\n"+
		"scrape_configs: [{job_name: podhook, static_configs: [{targets: ['%s']}]}]\n", strings.TrimPrefix(w.url, "http://")))
	for attempt := range 5 { // another program may take the port first
		address := freeAddress(t)
		p.url = "http://" + address
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_, err := w.reaper.Run(ctx, process.Spec{
				Argv: []string{program, "--config.file=" + file, "--storage.tsdb.path=" + filepath.Join(dir, fmt.Sprint(attempt)), "--web.listen-address=" + address},
				Env:  []string{"PATH=/usr/bin:/bin", "GOMAXPROCS=1"}, Dir: dir, KillAfter: 2 * time.Second,
				OnLine: func(l process.Line) { _, _ = p.log.Write(append(l.Text, '\n')) },
			})
			if err != nil {
				t.Error(err)
			}
		}()
		if p.listens(ended) {
			t.Cleanup(func() {
				cancel()
				<-ended
			})
			return p
		}
		cancel()
		<-ended
	}
	t.Fatalf("prometheus does not start:\n%s", p.log.String())
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

// listens waits until the server is ready, or has ended.
func (p *promServer) listens(ended <-chan struct{}) bool {
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); {
		resp, err := http.Get(p.url + "/-/ready")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return true
			}
		}
		select {
		case <-ended:
			return false
		case <-time.After(50 * time.Millisecond):
		}
	}
	return false
}

// query is the value that an expression has now; none is "".
func (p *promServer) query(expression string) string {
	p.w.t.Helper()
	resp, err := http.Get(p.url + "/api/v1/query?query=" + url.QueryEscape(expression))
	if err != nil {
		p.w.t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Status, Error string
		Data          struct {
			Result []struct{ Value [2]any }
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Status != "success" {
		p.w.t.Fatalf("%s: %s %s %v", expression, answer.Status, answer.Error, err)
	}
	if len(answer.Data.Result) == 0 {
		return ""
	}
	return fmt.Sprint(answer.Data.Result[0].Value[1])
}

func (p *promServer) becomes(expression, value string) {
	p.w.t.Helper()
	last := ""
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if last = p.query(expression); last == value {
			return
		}
	}
	p.w.t.Fatalf("%s is %q after 30s, want %q; prometheus says\n%s", expression, last, value, p.log.String())
}

func TestPrometheusScrapes(t *testing.T) {
	testutil.Slow(t)
	w := serving(t, outcomes)
	p := startPrometheus(t, w)
	p.becomes(`up{job="podhook"}`, "1")
	p.becomes(`podhook_runs_total{hook="prestart",outcome="succeeded"}`, "0")
	w.is("/prestart", 200)
	for range 3 {
		if r, err := w.do("GET", "/hooks/broken", kubelet); err == nil {
			t.Errorf("kubelet is answered %d", r.status)
		}
	}
	if _, err := w.newRunner(context.Background()).Call(context.Background(), "broken", hooks.Request{Trigger: state.TriggerExec}); err != nil {
		t.Fatal(err)
	}
	p.becomes(`podhook_runs_total{hook="prestart",outcome="succeeded"}`, "1")
	p.becomes(`podhook_runs_total{hook="broken",outcome="failed"}`, "4")
	p.becomes(`podhook_http_requests_total{path="/hooks/broken",code="aborted"}`, "3")
	p.becomes(`histogram_quantile(1, podhook_run_duration_seconds_bucket{hook="prestart"}) <= bool 5`, "1")
	p.becomes(`time() - podhook_last_success_timestamp_seconds{hook="prestart"} < bool 600`, "1")
	p.becomes(`podhook_build_info{version="v1.2.3"}`, "1")
	p.becomes(`podhook_config_last_reload_successful`, "1")
	p.becomes(`scrape_samples_scraped{job="podhook"} > bool 20`, "1")
}
