package agent

import (
	"fmt"
	"math"
	"net"
	"strings"
	"testing"

	"github.com/podhook/podhook/internal/testutil"
)

// A run in progress has its begin and its deadline, and only as long as it lasts.
func TestMetricsOfABeginAndADeadline(t *testing.T) {
	w := serving(t, waits)
	start, deadline := `podhook_run_start_timestamp_seconds{hook="shutdown"}`, `podhook_run_deadline_timestamp_seconds{hook="shutdown"}`
	none := map[string]float64{start: math.NaN(), deadline: math.NaN()}
	w.has(none)
	w.is("/shutdown?wait=false", 202)
	testutil.Eventually(t, "the hook runs", func() bool { return len(w.lines("runs")) == 1 })
	rec, _, err := w.agent.Store.Hook("shutdown").Read()
	if err != nil {
		t.Fatal(err)
	}
	w.has(map[string]float64{start: float64(rec.Start.UnixMilli()) / 1000, deadline: float64(rec.Deadline.UnixMilli()) / 1000})
	w.write(w.dir+"/go", "")
	w.is("/shutdown", 200)
	w.has(none)
}

// Steps that failed are named until the next run, and a hook with many of them does not
// make many series.
func TestMetricsOfFailedSteps(t *testing.T) {
	many := strings.Repeat("    - {exec: [sh, -c, 'test -e $DIR/go'], onFailure: ignore}\n", 30)
	w := serving(t, "hooks:\n  one:\n    steps:\n    - sleep: 1ms\n    - {name: bad, exec: [sh, -c, 'test -e $DIR/go']}\n    - sleep: 1ms\n  many:\n    steps:\n"+many)
	w.is("/hooks/one", 500)
	w.is("/hooks/many", 200)
	failed := func(hook string) (n int) {
		for name := range w.metrics() {
			if strings.HasPrefix(name, fmt.Sprintf(`podhook_step_failed{hook=%q`, hook)) {
				n++
			}
		}
		return n
	}
	w.has(map[string]float64{`podhook_step_failed{hook="one",step="bad"}`: 1})
	if one, most := failed("one"), failed("many"); one != 1 || most != mostFailedSteps {
		t.Errorf("%d and %d steps have failed, want 1 and %d", one, most, mostFailedSteps)
	}
	w.write(w.dir+"/go", "")
	w.is("/hooks/one", 200)
	if n := failed("one"); n != 0 {
		t.Errorf("%d steps have failed after a success", n)
	}
}

// The first steps are named by the order of the configuration, the rest is together, and a
// step called other is no series of its own. One step alone has none.
func TestMetricsOfStepTimes(t *testing.T) {
	yaml := "hooks:\n  one: {steps: [{sleep: 1ms}]}\n  many:\n    steps:\n    - {name: other, sleep: 1ms}\n    - {name: slow, sleep: 300ms}\n    - {name: never, sleep: 1ms, when: {trigger: [signal]}}\n"
	for i := range 25 {
		yaml += fmt.Sprintf("    - {name: s%d, sleep: 20ms}\n", i)
	}
	w := serving(t, yaml)
	w.is("/hooks/one", 200)
	w.is("/hooks/many", 200)
	found := map[string]float64{}
	for name, value := range w.metrics() {
		if strings.HasPrefix(name, `podhook_step_last_duration_seconds{`) {
			found[name] = value
		}
	}
	named := func(step string) string {
		return fmt.Sprintf(`podhook_step_last_duration_seconds{hook="many",step=%q}`, step)
	}
	if len(found) != mostSteps-1 { // neither never nor other, but the rest
		t.Errorf("%d series: %v", len(found), found)
	}
	for step, least := range map[string]float64{"slow": 0.3, "s0": 0.02, "s16": 0.02, "other": 8*0.02 + 0.001} {
		if got := found[named(step)]; got < least || got > least+10 {
			t.Errorf("%s took %v s, want %v", step, got, least)
		}
	}
}

// While a drain waits for connections it is known how many are left, and after it how many
// were left.
func TestMetricsOfConnectionsLeft(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	w := serving(t, fmt.Sprintf(`{hooks: {shutdown: {steps: [{name: clients, wait: {connections: {port: %d, loopback: true, atMost: 1}}}]}}}`, port))
	var clients []net.Conn
	for range 3 {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		clients = append(clients, conn)
		server, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		defer conn.Close()
	}
	const left = `podhook_connections_left{hook="shutdown",step="clients"}`
	w.has(map[string]float64{left: math.NaN()})
	w.is("/shutdown?wait=false", 202)
	testutil.Eventually(t, "three are left", func() bool { return w.metrics()[left] == 3 })
	clients[0].Close()
	testutil.Eventually(t, "two are left", func() bool { return w.metrics()[left] == 2 })
	clients[1].Close()
	w.is("/shutdown", 200)
	w.has(map[string]float64{left: 1})
}

// A request of kubelet that nothing answers is counted, by what has sent it.
func TestMetricsOfUnknownPaths(t *testing.T) {
	w := serving(t, waits)
	for _, caller := range []string{kubelet, kubelet, "kube-probe/1.34", "curl/8"} {
		_, _ = w.do("GET", "/preStop", caller)
	}
	_, _ = w.do("GET", "/livez", kubelet)
	w.has(map[string]float64{
		`podhook_http_unknown_path_total{caller="hook"}`: 2, `podhook_http_unknown_path_total{caller="probe"}`: 1,
	})
}
