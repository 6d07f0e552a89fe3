package load

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if is() {
			return
		}
	}
	t.Fatalf("10 s without %s", what)
}

// causes counts losses by their kind and cause.
func causes(losses []Loss) map[string]int {
	n := map[string]int{}
	for _, l := range losses {
		n[l.Kind+": "+l.Cause]++
	}
	return n
}

func TestCountsWhatBecomesOfRequests(t *testing.T) {
	t.Parallel()
	served := map[string]*atomic.Int64{}
	paths := []string{"/good", "/kept", "/503", "/short", "/closed"}
	for _, p := range paths {
		served[p] = &atomic.Int64{}
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer served[r.URL.Path].Add(1)
		switch r.URL.Path {
		case "/503":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/short":
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "half of it")
		case "/closed":
			panic(http.ErrAbortHandler)
		default:
			fmt.Fprint(w, strings.Repeat("x", 100000))
		}
	}))
	defer server.Close()
	var kinds []Kind
	for _, p := range paths {
		kinds = append(kinds, Kind{Name: p, Path: p, Every: 2 * time.Millisecond, KeepAlive: p == "/kept"})
	}
	ctx, withdraw := context.WithCancel(t.Context())
	l := Start(ctx, server.Listener.Addr().String(), 10*time.Second, kinds)
	await(t, "three requests of each kind", func() bool {
		for _, n := range served {
			if n.Load() < 3 {
				return false
			}
		}
		return true
	})
	withdraw()
	counts, losses := l.Wait()
	why := causes(losses)
	for _, p := range paths {
		c, n := counts[p], int(served[p].Load())
		want := map[string]Count{
			"/503": {Sent: n, Failed: n}, "/closed": {Sent: n, Failed: n}, "/short": {Sent: n, CutShort: n},
		}[p]
		if want.Sent == 0 {
			want = Count{Sent: n, Complete: n}
		}
		if c != want {
			t.Errorf("%s: %+v, want %+v", p, c, want)
		}
	}
	if why["/503: answered 503 Service Unavailable"] == 0 || why["/short: connection closed"] == 0 {
		t.Errorf("causes %v", why)
	}
}

func TestKeepsItsConnection(t *testing.T) {
	t.Parallel()
	var connections, requests atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) }))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	ctx, withdraw := context.WithCancel(t.Context())
	l := Start(ctx, server.Listener.Addr().String(), 10*time.Second, []Kind{{Name: "kept", Path: "/", Every: time.Millisecond, KeepAlive: true}})
	await(t, "ten requests", func() bool { return requests.Load() >= 10 })
	withdraw()
	l.Wait()
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

func TestServerThatIsGone(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, withdraw := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer withdraw()
	kinds := []Kind{{Name: "new", Path: "/", Every: time.Millisecond}, {Name: "kept", Path: "/", Every: time.Millisecond, KeepAlive: true}}
	counts, losses := Start(ctx, address, 10*time.Second, kinds).Wait()
	why := causes(losses)
	for _, name := range []string{"new", "kept"} {
		if c := counts[name]; c.Sent == 0 || c.Failed != c.Sent {
			t.Errorf("%s: %+v, want all of them failed", name, c)
		}
		if why[name+": connection refused"] == 0 {
			t.Errorf("causes %v", why)
		}
	}
}

// The limit ends a request that the server never ends.
func TestLimit(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	ctx, withdraw := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer withdraw()
	start := time.Now()
	counts, losses := Start(ctx, server.Listener.Addr().String(), 300*time.Millisecond, []Kind{{Name: "hang", Path: "/", Every: time.Hour}}).Wait()
	if c := counts["hang"]; c != (Count{Sent: 1, Failed: 1}) {
		t.Errorf("%+v", c)
	}
	if took := time.Since(start); took < 300*time.Millisecond || took > 5*time.Second {
		t.Errorf("took %v, want 300 ms", took)
	}
	if len(losses) != 1 || losses[0].Began.Before(start) || losses[0].Ended.Sub(losses[0].Began) < 300*time.Millisecond {
		t.Errorf("losses %+v", losses)
	}
}
