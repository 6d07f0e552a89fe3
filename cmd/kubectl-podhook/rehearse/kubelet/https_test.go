package kubelet

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/podhook/podhook/internal/testutil"
)

// secured is a server of net/http in the pod. It records the requests that reach it.
type secured struct {
	port     string
	mu       sync.Mutex
	requests []*http.Request
	hellos   []*tls.ClientHelloInfo
}

// serveInPod serves on the pod's address: over TLS if cfg is not nil, with a certificate
// that is self-signed and for another address. Every answer has the status.
func serveInPod(t *testing.T, cfg *tls.Config, status int) *secured {
	t.Helper()
	s := &secured{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests = append(s.requests, r)
		s.mu.Unlock()
		w.WriteHeader(status)
	}))
	listener, err := net.Listen("tcp", new(fakeProcess).Address()+":0")
	if err != nil {
		t.Fatal(err)
	}
	_ = server.Listener.Close() // nothing has connected to it
	server.Listener = listener
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	if cfg == nil {
		server.Start()
	} else {
		cfg.NextProtos = []string{"h2", "http/1.1"}
		cfg.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.hellos = append(s.hellos, hello)
			return nil, nil
		}
		server.TLS = cfg
		server.StartTLS()
	}
	t.Cleanup(server.Close)
	s.port = strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	return s
}

func (s *secured) host() string { return net.JoinHostPort(new(fakeProcess).Address(), s.port) }

// got returns the requests for a path.
func (s *secured) got(path string) []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*http.Request
	for _, r := range s.requests {
		if r.URL.Path == path {
			found = append(found, r)
		}
	}
	return found
}

// greeted returns the client hellos so far.
func (s *secured) greeted() []*tls.ClientHelloInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.hellos)
}

// over is the request of a hook or a probe with scheme HTTPS.
func (s *secured) over(path string, headers ...Header) *HTTPGet {
	return &HTTPGet{Scheme: "HTTPS", Port: s.port, Path: path, Headers: headers}
}

// playNow rehearses in real time, because a connection is outside a bubble's. The DELETE
// comes when the pod has been ready, or after deleteAt.
func playNow(t *testing.T, main Container, deleteAt time.Duration) Report {
	t.Helper()
	main.Name = "main"
	runtime := &fakeRuntime{containers: map[string]fakeContainer{"main": {}}}
	pod := Pod{Containers: []Container{main}, GracePeriod: 30, RestartPolicy: RestartNever}
	s := Scenario{StopAfter: 10 * time.Millisecond, DeleteAt: deleteAt}
	return Rehearse(t.Context(), pod, s, runtime, NewTimeline(nil))
}

// headersOfAManifest are those that kubelet treats specially, and one that it does not.
func headersOfAManifest() []Header {
	return []Header{{"authorization", "Bearer x"}, {"X-Podhook-Token", "y"}, {"Host", "app.example"}, {"X-Twice", "1"}, {"X-Twice", "2"}}
}

func wantHeaders(t *testing.T, r *http.Request, authorization string) {
	t.Helper()
	if r.Host != "app.example" || r.Header.Get("Authorization") != authorization || r.Header.Get("X-Podhook-Token") != "y" ||
		!slices.Equal(r.Header.Values("X-Twice"), []string{"1", "2"}) {
		t.Errorf("Host %q and %v, want those of the manifest, and Authorization %q", r.Host, r.Header, authorization)
	}
}

// The rows are those of deploy/kubernetes/kubelet.md, "scheme: HTTPS" and "answered 500".
func TestHTTPSHook(t *testing.T) {
	t.Parallel()
	s := serveInPod(t, &tls.Config{ClientAuth: tls.RequestClientCert}, 500)
	r := playNow(t, Container{
		PostStart: &Handler{HTTPGet: s.over("/start")},
		PreStop:   &Handler{HTTPGet: s.over("/stop?a=b%20c", headersOfAManifest()...)},
	}, testutil.Patience)
	wantReasons(t, r, "Created", "Started", "Killing")
	start, stop := s.got("/start"), s.got("/stop")
	if len(start) != 1 || len(stop) != 1 {
		t.Fatalf("%d and %d requests, want one each", len(start), len(stop))
	}
	for _, got := range append(start, stop...) {
		// A certificate was asked for, and kubelet has none for a pod.
		if got.TLS == nil || got.TLS.Version != tls.VersionTLS13 || len(got.TLS.PeerCertificates) > 0 || got.Proto != "HTTP/1.1" {
			t.Errorf("%s with %+v, want HTTP/1.1 over TLS 1.3 without a certificate", got.Proto, got.TLS)
		}
	}
	if start[0].Host != s.host() || stop[0].RequestURI != "/stop?a=b%20c" {
		t.Errorf("Host %s, path %s", start[0].Host, stop[0].RequestURI)
	}
	wantHeaders(t, stop[0], "Bearer x")
	for _, hello := range s.greeted() {
		if hello.ServerName != "" || len(hello.SupportedProtos) > 0 {
			t.Errorf("SNI %q, ALPN %q, want none, also with a Host in httpHeaders", hello.ServerName, hello.SupportedProtos)
		}
	}
}

// kubelet has no certificate to show, so a server that requires one makes every hook fail.
func TestHTTPSHookOfAServerThatRequiresACertificate(t *testing.T) {
	t.Parallel()
	for name, mode := range map[string]tls.ClientAuthType{"any": tls.RequireAnyClientCert, "verified": tls.RequireAndVerifyClientCert} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			s := serveInPod(t, &tls.Config{ClientAuth: mode, MaxVersion: version}, 200)
			r := playNow(t, Container{PreStop: &Handler{HTTPGet: s.over("/stop")}}, testutil.Patience)
			wantReasons(t, r, "Created", "Started", "Killing", "FailedPreStopHook")
			if len(s.got("/stop")) > 0 || len(s.greeted()) != 1 {
				t.Errorf("%s, TLS %x: %d requests and %d connections, want one try", name, version, len(s.got("/stop")), len(s.greeted()))
			}
			s = serveInPod(t, &tls.Config{ClientAuth: mode, MaxVersion: version}, 200)
			r = playNow(t, Container{PostStart: &Handler{HTTPGet: s.over("/start")}}, testutil.Patience)
			wantReasons(t, r, "Created", "Started", "FailedPostStartHook", "Killing")
		}
	}
}

// The row is that of deploy/kubernetes/kubelet.md, "HTTPS to a plain-HTTP port".
func TestHTTPSHookOfAPlainServer(t *testing.T) {
	t.Parallel()
	s := serveInPod(t, nil, 200)
	r := playNow(t, Container{
		PostStart: &Handler{HTTPGet: s.over("/start", headersOfAManifest()...)},
		PreStop:   &Handler{HTTPGet: s.over("/stop?a=b%20c", headersOfAManifest()...)},
	}, testutil.Patience)
	// The Warning of the second hook is the same one, counted twice.
	wantReasons(t, r, "Created", "Started", "LifecycleHTTPFallback", "Killing")
	for _, e := range r.Events {
		want := "request to HTTPS lifecycle hook " + s.host() + " got HTTP response, retry with HTTP succeeded"
		if e.Reason == "LifecycleHTTPFallback" && (e.Type != "Warning" || e.Message != want || e.Count != 2) {
			t.Errorf("event %+v, want %q twice", e, want)
		}
	}
	for _, path := range []string{"/start", "/stop"} {
		got := s.got(path)
		if len(got) != 1 {
			t.Fatalf("%s: %d requests, want one", path, len(got))
		}
		wantHeaders(t, got[0], "")
	}
	if got := s.got("/stop")[0].RequestURI; got != "/stop?a=b%20c" {
		t.Errorf("path %s", got)
	}
}

// kubelet falls back once: if the plain request fails too, so does the hook.
func TestHTTPSHookThatFailsOverHTTPToo(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", new(fakeProcess).Address()+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	s := &secured{port: strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)}
	var began []byte
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			first := make([]byte, 1)
			_, _ = io.ReadFull(conn, first) // a connection without a byte counts as one with a 0
			began = append(began, first...)
			if first[0] == 0x16 { // a client hello
				_, _ = io.WriteString(conn, "HTTP/1.0 400 Bad Request\r\n\r\n")
			}
			_ = conn.(*net.TCPConn).CloseWrite() // what was not read must not reset the answer
			_, _ = io.Copy(io.Discard, conn)
			_ = conn.Close()
		}
	}()
	r := playNow(t, Container{PreStop: &Handler{HTTPGet: s.over("/stop")}}, testutil.Patience)
	wantReasons(t, r, "Created", "Started", "Killing", "FailedPreStopHook")
	_ = listener.Close()
	<-done
	if string(began) != "\x16G" {
		t.Errorf("connections began with %q, want a client hello and one GET", began)
	}
}

// A probe knows no fallback: kubelet has it for hooks alone.
func TestHTTPSProbe(t *testing.T) {
	t.Parallel()
	verified := &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert}
	for name, c := range map[string]struct {
		cfg    *tls.Config
		status int
		fails  string // a part of the event
	}{
		"TLS":                       {&tls.Config{}, 200, ""},
		"optional certificate":      {&tls.Config{ClientAuth: tls.VerifyClientCertIfGiven}, 200, ""},
		"TLS, 503":                  {&tls.Config{}, 503, "HTTP probe failed with statuscode: 503"},
		"a certificate is required": {verified, 200, "Readiness probe failed: Get \"https://"},
		"plain":                     {nil, 200, "http: server gave HTTP response to HTTPS client"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serveInPod(t, c.cfg, c.status)
			deleteAt := testutil.Patience
			if c.fails != "" {
				deleteAt = time.Second
			}
			r := playNow(t, Container{Readiness: &Probe{
				HTTPGet: s.over("/readyz", headersOfAManifest()...),
				Period:  50 * time.Millisecond, Timeout: testutil.Patience, FailureThreshold: 3, SuccessThreshold: 1,
			}}, deleteAt)
			if r.EverReady != (c.fails == "") {
				t.Errorf("ready %v", r.EverReady)
			}
			if c.fails == "" {
				wantReasons(t, r, "Created", "Started", "Killing")
			} else if !slices.ContainsFunc(r.Events, func(e Event) bool { return e.Reason == "Unhealthy" && strings.Contains(e.Message, c.fails) }) {
				t.Errorf("events %+v, want Unhealthy with %s", r.Events, c.fails)
			}
			got := s.got("/readyz")
			if reached := c.cfg != nil && c.cfg != verified; reached != (len(got) > 0) {
				t.Errorf("%d requests", len(got))
			}
			for _, request := range got {
				wantHeaders(t, request, "Bearer x")
				if len(request.TLS.PeerCertificates) > 0 || request.Proto != "HTTP/1.1" || !strings.HasPrefix(request.UserAgent(), "kube-probe/") {
					t.Errorf("%s of %s with %+v", request.Proto, request.UserAgent(), request.TLS)
				}
			}
		})
	}
}
