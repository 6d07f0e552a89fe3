package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/internal/testutil"
)

func readRecord(t *testing.T, dir, hook string) state.Record {
	t.Helper()
	store, err := state.Open(state.Options{Dir: dir, Show: true})
	if err != nil {
		t.Fatal(err)
	}
	rec := store.Hook(hook).Last()
	if rec == nil {
		t.Fatalf("hook %s has not run", hook)
	}
	return *rec
}

// server starts a program that goes on until the test's end.
func (s *sandbox) server(cmd *exec.Cmd) *running {
	s.t.Helper()
	cmd.Env = append(os.Environ(), s.mark)
	return s.begin(cmd)
}

// listener is a port for a server that takes it over as a file.
func listener(t *testing.T) (address string, file *os.File) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	file, err = l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return l.Addr().String(), file
}

// slowBackend answers on command.
type slowBackend struct {
	*httptest.Server
	mu   sync.Mutex
	held []chan struct{}
}

func newSlowBackend(t *testing.T) *slowBackend {
	b := &slowBackend{}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		done := make(chan struct{})
		b.mu.Lock()
		b.held = append(b.held, done)
		b.mu.Unlock()
		select {
		case <-done:
			fmt.Fprint(w, "slow but whole")
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(b.Close)
	return b
}

func (b *slowBackend) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.held)
}

// release lets n requests go.
func (b *slowBackend) release(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, done := range b.held[:n] {
		close(done)
	}
	b.held = b.held[n:]
}

// slowRequest sends a request in the background, and passes on the answer.
func slowRequest(address string) <-chan string {
	got := make(chan string, 1)
	go func() {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			got <- err.Error()
			return
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			got <- err.Error()
			return
		}
		defer res.Body.Close()
		got <- res.Status
	}()
	return got
}

const haproxyConfig = `
global
	maxconn 200
defaults
	mode http
	timeout connect 5s
	timeout client 60s
	timeout server 60s
	option httpclose
frontend web
	bind fd@3
	default_backend app
frontend exporter
	bind fd@4
	http-request use-service prometheus-exporter if { path /metrics }
backend app
	server one BACKEND
`

// TestHAProxyDrains: a shutdown that watches HAProxy's own exporter ends when the
// last connection has, shows how many are left meanwhile, and then stops HAProxy.
func TestHAProxyDrains(t *testing.T) {
	testutil.Slow(t)
	program := testutil.NeedProgram(t, "haproxy", "haproxy")
	backend := newSlowBackend(t)
	web, webFile := listener(t)
	exporter, exporterFile := listener(t)
	s := newSandbox(t, strings.ReplaceAll(`
hooks:
  prestart:
    steps:
    - wait: {http: "http://EXPORTER/metrics"}
      timeout: 20s
  shutdown:
    timeout: 25s
    steps:
    - name: drain
      wait:
        metric: {url: "http://EXPORTER/metrics", name: haproxy_frontend_current_sessions, labels: {proxy: web}, atMost: 0}
        interval: 100ms
    - signal: USR1
    - wait: {exit: main}
  late:
    steps:
    - {name: drained, wait: {metric: {url: "http://EXPORTER/metrics", name: haproxy_frontend_current_sessions, atMost: 0, goneIs: done}}}
    - {name: unwatched, wait: {metric: {url: "http://EXPORTER/metrics", name: haproxy_frontend_current_sessions, atMost: 0}}}
`, "EXPORTER", exporter))
	config := s.write("haproxy.cfg", strings.ReplaceAll(haproxyConfig, "BACKEND", strings.TrimPrefix(backend.URL, "http://")), 0o644)
	cmd := exec.Command(program, "-db", "-f", config)
	cmd.ExtraFiles = []*os.File{webFile, exporterFile}
	haproxy := s.server(cmd)
	s.env = append(s.env, fmt.Sprintf("PODHOOK_MAIN=pid:%d", haproxy.cmd.Process.Pid))
	s.expect(0, "prestart")

	var answers []<-chan string
	for range 3 {
		answers = append(answers, slowRequest(web))
	}
	testutil.Eventually(t, "three requests are in flight", func() bool { return backend.count() == 3 })
	drain := s.start("shutdown")
	shows := func(n int) {
		t.Helper()
		want := fmt.Sprintf(`haproxy_frontend_current_sessions{proxy="web"} = %d`, n)
		testutil.Eventually(t, "status shows "+want, func() bool {
			rec, found := s.lastRun("shutdown")
			return found && rec.Steps[0].Outcome == state.Running && strings.HasSuffix(rec.Steps[0].Waiting, want)
		})
		contains(t, s.expect(0, "status").stdout, "waiting: metric haproxy_frontend_current_sessions{proxy=\"web\"} <= 0: "+want)
	}
	shows(3)
	backend.release(2)
	shows(1)
	select {
	case <-drain.done:
		t.Fatal("it did not wait for the last request: ", drain.wait(t))
	default:
	}
	backend.release(1)
	if e := drain.wait(t); e.code != 0 {
		t.Fatal(e)
	}
	for _, a := range answers {
		if got := <-a; got != "200 OK" {
			t.Errorf("a request in flight got %s", got)
		}
	}
	haproxy.wait(t)
	contains(t, s.expect(0, "logs", "shutdown").stdout, `haproxy_frontend_current_sessions{proxy="web"} = 0`, "SIGUSR1 sent to the main process", " has exited")

	// HAProxy has exited. Without the listeners nobody answers.
	webFile.Close()
	exporterFile.Close()
	e := s.run("hook", "late")
	rec := s.record("late")
	if e.code != 1 || rec.Steps[0].Outcome != state.Succeeded || rec.Steps[1].Outcome != state.Failed || e.elapsed > 15*time.Second {
		t.Errorf("%v\n%+v", e, rec.Steps)
	}
	contains(t, e.stderr, "unwatched", "connection refused", "goneIs: done treats that as drained")
}

// TestHAProxyMetric: the command and the step behave alike.
func TestHAProxyMetric(t *testing.T) {
	program := testutil.NeedProgram(t, "haproxy", "haproxy")
	backend := newSlowBackend(t)
	web, webFile := listener(t)
	exporter, exporterFile := listener(t)
	s := newSandbox(t, "")
	config := s.write("haproxy.cfg", strings.ReplaceAll(haproxyConfig, "BACKEND", strings.TrimPrefix(backend.URL, "http://")), 0o644)
	cmd := exec.Command(program, "-db", "-f", config)
	cmd.ExtraFiles = []*os.File{webFile, exporterFile}
	s.server(cmd)
	url := "http://" + exporter + "/metrics"
	metric := func(timeout string, args ...string) []string {
		return append([]string{"wait", "--metric", url, "--name", "haproxy_frontend_current_sessions", "--label", "proxy=web", "--timeout", timeout}, args...)
	}
	s.expect(0, metric("20s", "--at-most", "0")...)
	answer := slowRequest(web)
	s.expect(0, metric("20s", "--at-least", "1")...)
	e := s.expect(124, metric("300ms", "--at-most", "0")...)
	contains(t, e.stderr, `waited 300ms for metric haproxy_frontend_current_sessions{proxy="web"} <= 0: haproxy_frontend_current_sessions{proxy="web"} = 1`)
	testutil.Within(t, e.elapsed, 300*time.Millisecond, 10*time.Second)
	backend.release(1)
	<-answer
	s.expect(0, metric("20s", "--at-most", "0")...)
	e = s.expect(1, "wait", "--metric", url, "--name", "haproxy_no_such_metric", "--at-most", "0", "--timeout", "20s")
	contains(t, e.stderr, "series matches haproxy_no_such_metric")
	testutil.Within(t, e.elapsed, 0, 10*time.Second) // what will never be there is not waited for
}

// TestNginxQuits: nginx on a Unix socket, asked, told to quit by its pidfile, and
// waited for, with a request in flight that is answered whole.
func TestNginxQuits(t *testing.T) {
	program := testutil.NeedProgram(t, "nginx", "nginx")
	backend := newSlowBackend(t)
	web, webFile := listener(t)
	_ = webFile
	webFile.Close() // nginx opens the port itself, as it is not told of open files
	s := newSandbox(t, "")
	s.configure(strings.ReplaceAll(`
hooks:
  prestart:
    steps:
    - wait: {http: "unix:DIR/web.sock:/ping"}
      timeout: 20s
    - http: {url: "unix:DIR/web.sock:/ping?x=1", status: 204}
    - http: {url: "unix:DIR/web.sock:/denied", status: [403]}
  shutdown:
    timeout: 25s
    steps:
    - signal: {signal: QUIT, to: "pidfile:DIR/nginx.pid"}
    - wait: {gone: DIR/nginx.pid}
    - wait: {exit: main}
`, "DIR", s.dir))
	s.env = append(s.env, "PODHOOK_CONFIG="+s.path("podhook.yaml"), "PODHOOK_MAIN=pidfile:"+s.path("nginx.pid"))
	config := s.write("nginx.conf", strings.NewReplacer("DIR", s.dir, "WEB", web, "BACKEND", backend.URL).Replace(`
daemon off;
pid DIR/nginx.pid;
error_log DIR/error.log;
events {}
http {
	access_log off;
	client_body_temp_path DIR/a; proxy_temp_path DIR/b; fastcgi_temp_path DIR/c; uwsgi_temp_path DIR/d; scgi_temp_path DIR/e;
	server {
		listen WEB;
		listen unix:DIR/web.sock;
		location / { proxy_pass BACKEND; }
		location /ping { return 204; }
		location /denied { return 403; }
	}
}
`), 0o644)
	ready := s.start("prestart") // it waits for what is not there yet
	nginx := s.server(exec.Command(program, "-c", config))
	if e := ready.wait(t); e.code != 0 {
		t.Fatalf("%v\n%s", e, s.read("error.log"))
	}
	answer := slowRequest(web)
	testutil.Eventually(t, "the request is in flight", func() bool { return backend.count() == 1 })
	stop := s.start("shutdown")
	testutil.Eventually(t, "nginx has closed its port", func() bool {
		conn, err := net.Dial("tcp", web)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	select {
	case <-stop.done:
		t.Error("it did not wait for the request in flight")
	default:
	}
	backend.release(1)
	if got := <-answer; got != "200 OK" {
		t.Errorf("the request in flight got %s", got)
	}
	if e := stop.wait(t); e.code != 0 {
		t.Error(e)
	}
	if e := nginx.wait(t); e.code != 0 {
		t.Error(e)
	}
}

// TestRedisIsWaitedFor: prestart begins before there is a server.
func TestRedisIsWaitedFor(t *testing.T) {
	testutil.Slow(t)
	program := testutil.NeedProgram(t, "redis-server", "redis-server")
	address, file := listener(t)
	file.Close()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	s := newSandbox(t, "hooks: {prestart: {steps: [{name: redis, wait: {tcp: \""+address+"\"}, timeout: 20s}]}}\n")
	call := s.start("prestart")
	testutil.Eventually(t, "status shows what it waits for", func() bool {
		rec, found := s.lastRun("prestart")
		return found && strings.HasSuffix(rec.Steps[0].Waiting, "connection refused")
	})
	s.server(exec.Command(program, "--bind", "127.0.0.1", "--port", port, "--dir", s.dir, "--save", "", "--daemonize", "no"))
	if e := call.wait(t); e.code != 0 {
		t.Fatal(e)
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "PING\r\n")
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || line != "+PONG\r\n" {
		t.Errorf("redis says %q, %v", line, err)
	}
}

// TestWaitForExit: the command waits for the main process's end, or looks once.
func TestWaitForExit(t *testing.T) {
	s := newSandbox(t, "")
	main := s.server(exec.Command("sleep", "1000"))
	s.env = append(s.env, fmt.Sprintf("PODHOOK_MAIN=pid:%d", main.cmd.Process.Pid))
	e := s.expect(124, "wait", "--exit", "main", "--timeout", "0s")
	contains(t, e.stderr, "exit of the main process: it is alive")
	e = s.expect(124, "wait", "--exit", "main", "--timeout", "300ms")
	testutil.Within(t, e.elapsed, 300*time.Millisecond, 10*time.Second)
	waiter := s.start("wait", "--exit", "main", "--timeout", "35s")
	s.expect(0, "signal", "TERM")
	if e := waiter.wait(t); e.code != 0 || e.elapsed > 20*time.Second {
		t.Error(e)
	}
	if e := main.wait(t); e.code != -int(syscall.SIGTERM) {
		t.Error(e)
	}
	s.expect(0, "wait", "--exit", "main", "--timeout", "0s") // it has exited
}
