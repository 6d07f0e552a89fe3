package monitoring

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/internal/testutil"
)

// TestFleet starts a small fleet of agents, some of which fail, and a Prometheus with this
// kit. Every query of the dashboard and of the README has data, and the alerts fire.
// `make monitoring` keeps all that for MONITORING_TIME, prints the alerts, and draws the graphs
// into MONITORING_PICTURE.
func TestFleet(t *testing.T) {
	testutil.Slow(t)
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM) // what has started is to end
	defer cancel()
	dir := t.TempDir()
	t.Cleanup(func() {
		if pids := left(t); len(pids) > 0 {
			t.Errorf("processes are left: %v", pids)
		}
	})
	targets := []target{targetOf("stranger-0", "127.0.0.1:1", "http")}
	for _, m := range fleet() {
		own := filepath.Join(dir, m.pod)
		if err := os.Mkdir(own, 0o755); err != nil {
			t.Fatal(err)
		}
		targets = append(targets, m.start(t, own))
	}
	for _, agent := range targets[1:] {
		body := call(ctx, agent.Targets[0], "/metrics")
		promtool(t, body, "check", "metrics")
	}
	s := startPrometheus(t, dir, targets)
	s.holdsTargets(len(fleet()))
	s.becomesData("README.md: both hooks have run", `round(scrape_samples_scraped{pod="web-1"}, 5) == 50`, false)
	s.answersDashboard()
	for _, e := range examples(t) {
		s.becomesData("README.md", e.query, false)
	}
	s.fires("PodhookHookFailing api", "PodhookHookTimedOut cache", "PodhookDrainNearDeadline worker", "PodhookUncleanStop db",
		"PodhookConfigRefused db", "PodhookOpenToAll web", "PodhookPathUnknown cache", "PodhookCallRefused queue")
	s.show(ctx)
}

// holdsTargets compares the agents that are scraped: not a port of another name.
func (s *server) holdsTargets(want int) {
	s.t.Helper()
	query := fmt.Sprintf(`count(up{namespace="shop",job=~"web|api|cache|worker|db|queue|batch|cart|job",pod=~".+-.",container="podhook"} == 1) == %d`, want)
	s.becomesData("targets", query, false)
	if s.returnsData(`up{pod="stranger-0"}`, false) {
		s.t.Error("a port of another name is scraped")
	}
}

func (s *server) answersDashboard() {
	s.t.Helper()
	d := loadDashboard(s.t)
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			s.becomesData(p.Title, filled(target.Expr), p.Type == "timeseries")
		}
	}
	for _, v := range d.Templating.List {
		if v.Type != "query" {
			continue
		}
		var values []string
		s.ask("label/"+v.Name+"/values", url.Values{"match[]": {"podhook_build_info"}}, &values)
		if len(values) == 0 {
			s.t.Errorf("the variable %s has no values", v.Name)
		}
	}
}

func (s *server) becomesData(where, query string, graph bool) {
	s.t.Helper()
	if err := testutil.Until(testutil.Patience, "a value", func() bool { return s.returnsData(query, graph) }); err != nil {
		s.t.Errorf("%s: %s: %v", where, query, err)
	}
}

// fires waits for alerts, given by name and job.
func (s *server) fires(want ...string) {
	s.t.Helper()
	for _, name := range want {
		err := testutil.Until(testutil.Patience, name+" fires", func() bool {
			_, found := s.firing()[name]
			return found
		})
		if err != nil {
			s.t.Error(err)
		}
	}
	for name := range s.firing() {
		if name != "PodhookHookTimedOut worker" && name != "PodhookPrestartSlow batch" && !slices.Contains(want, name) {
			s.t.Errorf("%s fires", name)
		}
	}
}

// show prints the alerts when MONITORING_TIME has passed, or when ctx ends.
func (s *server) show(ctx context.Context) {
	text := os.Getenv("MONITORING_TIME")
	if text == "" {
		return
	}
	length, err := time.ParseDuration(text)
	if err != nil {
		s.t.Fatalf("MONITORING_TIME: %q: write a duration, such as 60s", text)
	}
	ctx, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	fmt.Printf("Prometheus with %d agents is at %s for %v; Ctrl-C ends it\n", len(fleet()), s.url, length)
	<-ctx.Done()
	if file := os.Getenv("MONITORING_PICTURE"); file != "" {
		cmd := exec.Command("go", "-C", "picture", "run", ".", s.url, "../dashboard.json", file)
		if out, err := cmd.CombinedOutput(); err != nil {
			s.t.Errorf("the picture: %v\n%s", err, out)
		}
	}
	alerts := s.firing()
	fmt.Printf("%d alerts fire:\n", len(alerts))
	for _, name := range slices.Sorted(maps.Keys(alerts)) {
		a := alerts[name]
		fmt.Printf("  %-8s %s: %s\n", a.Labels["severity"], a.Labels["alertname"], a.Annotations["description"])
	}
}
