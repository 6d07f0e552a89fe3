package httpcall

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/internal/testutil"
)

// whoami answers with the name in the client's certificate.
func whoami(w http.ResponseWriter, r *http.Request) {
	if len(r.TLS.PeerCertificates) == 0 {
		fmt.Fprint(w, "nobody")
		return
	}
	fmt.Fprint(w, r.TLS.PeerCertificates[0].Subject.CommonName)
}

func TestClientCertificate(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	goodCert, goodKey := testutil.ClientCertificate(t, "good")
	otherCert, otherKey := testutil.ClientCertificate(t, "other")
	cert, key := file("cert", goodCert), file("key", goodKey)
	other, otherKeyFile := file("other", otherCert), file("other-key", otherKey)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		server, ca := testutil.MutualTLS(t, func(w http.ResponseWriter, r *http.Request) {
			if r.TLS.Version != version {
				t.Errorf("TLS %x, want %x", r.TLS.Version, version)
			}
			whoami(w, r)
		}, goodCert)
		server.TLS.MaxVersion = version
		caFile := file("ca", ca)
		for _, tt := range []struct {
			name   string
			r      Request
			answer string
			err    string // a part of the error, without the server's words: a reset may come first
		}{
			{"a pair", Request{CertFile: cert, KeyFile: key}, "good", ""},
			{"none", Request{}, "", "; the server asked for a client certificate: certFile and keyFile"},
			{"an unknown one", Request{CertFile: other, KeyFile: otherKeyFile}, "", "; the server got the client certificate of certFile " + other},
			{"the key of another", Request{CertFile: cert, KeyFile: otherKeyFile}, "", "keyFile " + otherKeyFile + ": not the key of the certificate in " + cert},
			{"no file", Request{CertFile: cert + "x", KeyFile: key}, "", "certFile " + cert + "x: no such file or directory"},
		} {
			tt.r.URL, tt.r.CAFile = server.URL, caFile
			_, body, err := get(t, tt.r)
			switch {
			case tt.err == "" && (err != nil || body != tt.answer):
				t.Errorf("TLS %x, %s: got %q, %v", version, tt.name, body, err)
			case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
				t.Errorf("TLS %x, %s: got %q, %v, want %s", version, tt.name, body, err, tt.err)
			}
		}
	}
}

// A server that does not insist, or does not ask, answers as ever. An error that has
// nothing to do with the certificate does not mention it.
func TestClientCertificateIsOptional(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/long" {
			io.WriteString(w, strings.Repeat("x", 2<<20))
			return
		}
		whoami(w, r)
	}))
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	if _, body, err := get(t, Request{URL: server.URL, InsecureSkipVerify: true}); err != nil || body != "nobody" {
		t.Errorf("got %q, %v", body, err)
	}
	if _, _, err := get(t, Request{URL: server.URL}); err == nil || strings.Contains(err.Error(), "certFile") {
		t.Errorf("an unknown server: %v", err)
	}
	if _, _, err := get(t, Request{URL: server.URL + "/long", InsecureSkipVerify: true}); err == nil || strings.Contains(err.Error(), "certFile") {
		t.Errorf("a long answer: %v", err)
	}
}

// A renewed certificate is used by the next call.
func TestClientCertificateRotation(t *testing.T) {
	dir := t.TempDir()
	first, firstKey := testutil.ClientCertificate(t, "first")
	second, secondKey := testutil.ClientCertificate(t, "second")
	server, ca := testutil.MutualTLS(t, whoami, first, second)
	h := config.HTTP{Method: "GET", Status: config.AnySuccess()}
	h.Endpoint = config.Endpoint{URL: config.URL{Request: server.URL}, CAFile: filepath.Join(dir, "ca"),
		CertFile: filepath.Join(dir, "cert"), KeyFile: filepath.Join(dir, "key")}
	write := func(path string, text []byte) {
		t.Helper()
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(h.Endpoint.CAFile, ca)
	for _, tt := range []struct {
		name      string
		cert, key []byte
	}{{"first", first, firstKey}, {"second", second, secondKey}} {
		write(h.Endpoint.CertFile, tt.cert)
		write(h.Endpoint.KeyFile, tt.key)
		res, err := Send(t.Context(), h, 1<<20)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || string(body) != tt.name {
			t.Errorf("got %q, %v, want %s", body, err, tt.name)
		}
	}
}
