package agent

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/podhook/podhook/internal/testutil"
)

// The conditions of ready hold traffic back, and let it in when they hold.
func TestReadyConditions(t *testing.T) {
	var healthy atomic.Bool
	app := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !healthy.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = app.Serve(listener) }()
	defer app.Close()
	w := serving(t, "hooks: {}\n")
	w.write(w.config, strings.ReplaceAll(fmt.Sprintf("ready: [{file: WARM}, {http: 'http://%s/healthz'}]\nhooks: {}\n", listener.Addr()), "WARM", w.dir+"/warm"))
	w.agent.Configuration.Reload()
	w.ready(false, "file "+w.dir+"/warm: it does not exist")
	w.write(w.dir+"/warm", "")
	w.ready(false, "503")
	healthy.Store(true)
	w.ready(true, "ready")
	if err := os.Remove(filepath.Join(w.dir, "warm")); err != nil {
		t.Fatal(err)
	}
	w.ready(false, "warm")
	w.write(w.dir+"/warm", "")
	w.is("/shutdown", 200)
	w.ready(false, "shutdown: succeeded")
}

// A condition that hangs is answered within the time that kubelet gives a probe, and
// probes share a look.
func TestReadyIsAnsweredInTime(t *testing.T) {
	var connections atomic.Int32
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			defer conn.Close() // never answered
		}
	}()
	w := serving(t, fmt.Sprintf("ready: [{http: 'http://%s/'}, {http: 'http://%[1]s/second'}]\nhooks: {}\n", listener.Addr()))
	var probes sync.WaitGroup
	began := time.Now()
	for range 20 {
		probes.Go(func() { w.ready(false, "no answer within 800ms") })
	}
	probes.Wait()
	testutil.Within(t, time.Since(began), readyTime, readyTime+5*time.Second)
	if n := connections.Load(); n > 3 {
		t.Errorf("20 probes at the same time made %d connections", n)
	}
}

// Probes one after the other look anew each time, and liveness does not depend on them.
func TestReadyLooksAnew(t *testing.T) {
	w := serving(t, "ready: [{tcp: '127.0.0.1:1'}]\nhooks: {}\n")
	for range 5 {
		w.ready(false, "tcp 127.0.0.1:1")
	}
	w.is("/livez", 200)
	w.is("/healthz", 200)
}

// kubelet's request for a path that nothing answers is logged with the nearest one, at a
// bounded rate. Others can ask what they like.
func TestKubeletsUnknownPathIsLogged(t *testing.T) {
	w := serving(t, "hooks: {drain: {paths: [/api/drain]}}\n")
	for _, c := range []struct{ agent, path, nearest string }{
		{"curl/8", "/shutdwn", ""}, {kubelet, "/shutdwn", "/shutdown"}, {kubelet, "/other", ""},
	} {
		_, _ = w.do("GET", c.path, c.agent) // kubelet gets no answer
	}
	if n := w.logs.count("level=WARN", "unknown path", "caller=kubelet", "path=/shutdwn", `hint="did you mean /shutdown?"`); n != 1 {
		t.Errorf("%d entries, want 1, in\n%s", n, w.logs)
	}
	if n := w.logs.count("unknown path"); n != 1 {
		t.Errorf("%d entries, want 1: the second comes too soon", n)
	}
	for path, nearest := range map[string]string{
		"/preStop": "/shutdown", "/postStart": "/prestart", "/pre-stop": "/shutdown", "/api/darin": "/api/drain",
		"/hooks/drian": "/hooks/drain", "/heathz": "/healthz", "/favicon.ico": "",
	} {
		cfg, err := w.agent.Configuration.Get()
		if err != nil {
			t.Fatal(err)
		}
		if got := NearestPath(path, cfg); got != nearest {
			t.Errorf("%s is near to %q, want %q", path, got, nearest)
		}
	}
}

// / names what is there; a status can be read by people.
func TestAnswersForPeople(t *testing.T) {
	w := serving(t, "hooks: {drain: {paths: [/api/drain]}}\n")
	root := w.is("/", 200)
	// A probe without a path is a mistake, and must not make a container ready.
	if r, err := w.do("GET", "/", "kube-probe/1.34"); err != nil || r.status != 404 {
		t.Errorf("a probe of / gets %d, %v", r.status, err)
	}
	for _, path := range []string{"/prestart", "/shutdown", "/hooks/drain", "/api/drain", "/readyz", "/healthz", "/metrics", "/status"} {
		if !strings.Contains(root, path+"\n") {
			t.Errorf("/ does not name %s: %s", path, root)
		}
	}
	if short, long := w.is("/status", 200), w.is("/status?pretty", 200); strings.Count(short, "\n") != 1 || !strings.Contains(long, "\n  \"instance\": ") {
		t.Errorf("got %s and %s", short, long)
	}
}
