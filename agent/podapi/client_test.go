package podapi

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/podhook/podhook/internal/testutil"
)

// apiServer answers with TLS. The client has a token and its certificate.
func apiServer(t *testing.T, handler http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	c := &Client{Server: server.URL, Dir: t.TempDir(), Pod: "web-0"}
	write(t, c, "token", "one\n")
	write(t, c, "namespace", "shop")
	write(t, c, "ca.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	return c
}

func write(t *testing.T, c *Client, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(c.Dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// kubelet renews the token, and each call uses the newest one.
func TestGetSendsTheTokenOfNow(t *testing.T) {
	var got []string
	c := apiServer(t, func(w http.ResponseWriter, req *http.Request) {
		got = append(got, req.Method+" "+req.URL.Path+" "+req.Header.Get("Authorization"))
		_, _ = io.WriteString(w, `{"metadata": {"deletionTimestamp": "2026-11-27T04:00:00Z"}}`)
	})
	for _, token := range []string{"one", "two"} {
		write(t, c, "token", token+"\n")
		pod, err := c.Get(t.Context())
		if err != nil || pod.StopReason(time.Now()) != "deleted" {
			t.Error(pod, err)
		}
	}
	want := "GET /api/v1/namespaces/shop/pods/web-0 Bearer one, GET /api/v1/namespaces/shop/pods/web-0 Bearer two"
	if got := strings.Join(got, ", "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// An error says what to do, and never the token.
func TestGetErrors(t *testing.T) {
	answers := func(code int, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(code)
			_, _ = io.WriteString(w, text)
		}
	}
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		change  func(*Client) error
		want    string
	}{
		"forbidden":    {answers(403, `{"kind": "Status", "message": "pods \"web-0\" is forbidden"}`), nil, `403: pods "web-0" is forbidden: its ServiceAccount needs the Role`},
		"another name": {answers(404, `{"message": "pods \"web-0\" not found"}`), nil, "not found: set PODHOOK_POD_NAME"},
		"a proxy":      {answers(502, "<html>"), nil, "502: Bad Gateway"},
		"a redirect":   {answers(302, ""), nil, "302: Found"},
		"no JSON":      {answers(200, "<html>"), nil, "invalid character"},
		"cut":          {answers(200, `{"metadata": {`), nil, "unexpected end"},
		"endless":      {answers(200, `{"a": "`+strings.Repeat("a", maxAnswer)+`"}`), nil, "longer than"},
		"no token":     {nil, func(c *Client) error { return os.Remove(filepath.Join(c.Dir, "token")) }, "token: no such file"},
		"no namespace": {nil, func(c *Client) error { return os.Remove(filepath.Join(c.Dir, "namespace")) }, "namespace: no such file"},
		"another CA": {nil, func(c *Client) error {
			cert, _ := testutil.ClientCertificate(t, "another")
			return os.WriteFile(filepath.Join(c.Dir, "ca.crt"), cert, 0o600)
		}, "certificate signed by unknown authority"},
	} {
		t.Run(name, func(t *testing.T) {
			client := apiServer(t, c.handler)
			write(t, client, "token", "the-secret")
			if c.change != nil {
				if err := c.change(client); err != nil {
					t.Fatal(err)
				}
			}
			_, err := client.Get(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "the-secret") {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}

// A server that is slow costs no more time than the caller has.
func TestGetEndsWithItsContext(t *testing.T) {
	release := make(chan struct{})
	c := apiServer(t, func(http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := c.Get(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	testutil.Within(t, time.Since(began), 200*time.Millisecond, 10*time.Second)
}

func TestInClusterSaysWhatIsMissing(t *testing.T) {
	for _, name := range []string{"KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "KUBERNETES_SERVICE_PORT_HTTPS", "HOSTNAME"} {
		t.Setenv(name, "")
	}
	expect := func(pod, want string) {
		t.Helper()
		if _, err := InCluster(pod); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
	expect("", "this is no Pod")
	t.Setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
	t.Setenv("KUBERNETES_SERVICE_PORT", "443")
	expect("", "set PODHOOK_POD_NAME")
	if _, err := os.Stat(serviceAccount + "/token"); err != nil {
		expect("web-0", "serviceAccountName")
	}
}
