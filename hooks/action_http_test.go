package hooks

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/internal/testutil"
)

func TestHTTPStep(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path == "/fail" {
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprintf(w, "%s\nlast line\n", strings.Repeat("busy\n", 1000))
			return
		}
		if r.Method != "POST" || string(body) != "drain" || r.Header.Get("Authorization") != "Bearer s3cret" {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	defer server.Close()
	b := newBench(t, hook(strings.ReplaceAll(`
- name: good
  http: {url: "URL/quit?token=s3cret", body: drain, headers: {Authorization: {prefix: "Bearer ", file: DIR/token}}}
- {name: expected, http: {url: "URL/fail", status: 503}}
- {name: bad, http: "URL/fail?token=s3cret", onFailure: continue}
- {name: denied, http: {url: URL, headers: {Authorization: s3cret}}}
`, "URL", server.URL)))
	if err := os.WriteFile(b.path("token"), []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	rec := b.expect(state.Failed, "good succeeded", "expected succeeded", "bad failed", "denied failed")
	if want := "GET " + server.URL + "/fail?... was answered with status 503 Service Unavailable; expected is 2xx"; rec.Steps[2].Error != want {
		t.Errorf("got  %s\nwant %s", rec.Steps[2].Error, want)
	}
	contains(t, rec.Steps[3].Error, "403 Forbidden")
	out := b.out.text()
	if n := strings.Count(out, "bad: busy"); n != 2048/len("busy\n") || strings.Contains(out, "last line") {
		t.Errorf("%d lines of the failing answer are in the output, want its first 2 KiB", n)
	}
	if strings.Contains(out, "expected: busy") {
		t.Error("an answer that was expected is in the output")
	}
	if everything := out + fmt.Sprintf("%+v", rec); strings.Contains(everything, "s3cret") {
		t.Errorf("a secret was shown:\n%s", everything)
	}
}

// TestHTTPStepClientCertificate: steps and waits get through to a server that requires a
// certificate, with theirs alone, and nothing of a key is shown.
func TestHTTPStepClientCertificate(t *testing.T) {
	cert, key := testutil.ClientCertificate(t, "good")
	_, otherKey := testutil.ClientCertificate(t, "other")
	server, ca := testutil.MutualTLS(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "drained", len(r.TLS.PeerCertificates))
	}, cert)
	const pair = "caFile: DIR/ca, certFile: DIR/cert, keyFile: DIR/key"
	b := newBench(t, hook(strings.ReplaceAll(`
- {name: step, http: {url: "URL", `+pair+`}}
- {name: wait, wait: {http: {url: "URL", `+pair+`}}}
- {name: metric, wait: {metric: {url: "URL", `+pair+`, name: drained, atLeast: 1}}}
- {name: nobody, http: {url: "URL", caFile: DIR/ca}, onFailure: continue}
- {name: token, http: {url: "URL", caFile: DIR/ca, certFile: DIR/cert, keyFile: DIR/token}, onFailure: continue}
- {name: mixed, http: {url: "URL", caFile: DIR/ca, certFile: DIR/cert, keyFile: DIR/other-key}}
`, "URL", server.URL)))
	for name, text := range map[string]string{"ca": string(ca), "cert": string(cert), "key": string(key), "other-key": string(otherKey), "token": "s3cret\n"} {
		if err := os.WriteFile(b.path(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rec := b.expect(state.Failed, "step succeeded", "wait succeeded", "metric succeeded", "nobody failed", "token failed", "mixed failed")
	contains(t, rec.Steps[3].Error, "the server asked for a client certificate: certFile and keyFile")
	contains(t, rec.Steps[4].Error, "keyFile "+b.path("token")+": there is no private key in it")
	contains(t, rec.Steps[5].Error, "keyFile "+b.path("other-key")+": not the key of the certificate in "+b.path("cert"))
	everything := b.out.text() + fmt.Sprintf("%+v", rec)
	for _, secret := range []string{"s3cret", strings.Split(string(key), "\n")[1], strings.Split(string(otherKey), "\n")[1]} {
		if strings.Contains(everything, secret) {
			t.Errorf("a secret was shown:\n%s", everything)
		}
	}
}

// TestHTTPStepTimeout: the step's timeout ends the wait for an answer, and for the end of
// an answer.
func TestHTTPStepTimeout(t *testing.T) {
	stop := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			io.WriteString(w, "x")
			w.(http.Flusher).Flush()
		}
		<-stop
	}))
	defer server.Close()
	defer close(stop)
	for _, path := range []string{"/head", "/body"} {
		b := newBench(t, hook("- {name: a, http: \""+server.URL+path+"\", timeout: 300ms}\n"))
		began := time.Now()
		rec := b.expect(state.TimedOut, "a timed_out")
		testutil.Within(t, time.Since(began), 300*time.Millisecond, 10*time.Second)
		if rec.Reason != "step a: timed out after its timeout of 300ms" {
			t.Errorf("reason %q", rec.Reason)
		}
	}
}

// TestHTTPStepRetries: the server starts later.
func TestHTTPStepRetries(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) < 3 {
			w.WriteHeader(502)
		}
	}))
	defer server.Close()
	b := newBench(t, hook("- {name: a, http: \""+server.URL+"\", retries: 5, backoff: 1ms}\n"))
	if rec := b.expect(state.Succeeded, "a succeeded"); rec.Steps[0].Attempt != 3 || asked.Load() != 3 {
		t.Errorf("attempt %d, asked %d times", rec.Steps[0].Attempt, asked.Load())
	}
}
