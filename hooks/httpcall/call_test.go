package httpcall

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/internal/testutil"
)

// get sends a request and reads the whole answer.
func get(t *testing.T, r Request) (int, string, error) {
	t.Helper()
	if r.Method == "" {
		r.Method = "GET"
	}
	res, err := Do(t.Context(), r, 1<<20)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, string(text), err
}

// echo answers with what it was sent.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s host=%s close=%v length=%d agent=%s X=%q body=%s",
		r.Method, r.URL.RequestURI(), r.Host, r.Close, r.ContentLength, r.UserAgent(), r.Header.Values("X"), body)
}

func TestDo(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(echo))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	for _, tt := range []struct {
		r    Request
		want string
	}{
		{Request{URL: server.URL}, "GET / host=" + host + " close=true length=0 agent=podhook X=[] body="},
		{Request{Method: "POST", URL: server.URL + "/a/b?c=d%20e", Body: "hello", Header: http.Header{"X": {"1", "2"}, "Host": {"other"}, "User-Agent": {"me"}}},
			`POST /a/b?c=d%20e host=other close=true length=5 agent=me X=["1" "2"] body=hello`},
		{Request{Method: "POST", URL: server.URL}, "POST / host=" + host + " close=true length=0 agent=podhook X=[] body="},
		{Request{Method: "DELETE", URL: server.URL + "/x"}, "DELETE /x host=" + host + " close=true length=0 agent=podhook X=[] body="},
		{Request{Method: "HEAD", URL: server.URL}, ""},
	} {
		status, body, err := get(t, tt.r)
		if err != nil || status != 200 || body != tt.want {
			t.Errorf("%s %s: got %d, %v\n%s\nwant\n%s", tt.r.Method, tt.r.URL, status, err, body, tt.want)
		}
	}
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(echo)}
	go server.Serve(listener)
	defer server.Close()
	_, body, err := get(t, Request{URL: "http://localhost/a", Socket: path})
	if err != nil || !strings.HasPrefix(body, "GET /a host=localhost ") {
		t.Errorf("got %q, %v", body, err)
	}
}

func TestTLS(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(echo))
	defer server.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(ca, text, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		r    Request
		want string
	}{
		{Request{URL: server.URL}, "certificate signed by unknown authority"},
		{Request{URL: server.URL, CAFile: ca}, ""},
		{Request{URL: server.URL, InsecureSkipVerify: true}, ""},
		// The certificate is for 127.0.0.1 and example.com.
		{Request{URL: strings.Replace(server.URL, "127.0.0.1", "localhost", 1), CAFile: ca}, "not localhost"},
		{Request{URL: server.URL, CAFile: ca + "x"}, "CA file: open " + ca + "x: no such file or directory"},
		{Request{URL: server.URL, CAFile: "/dev/null"}, "CA file /dev/null: there is no certificate in it"},
		{Request{URL: strings.Replace(server.URL, "https", "http", 1)}, "400"},
	} {
		status, body, err := get(t, tt.r)
		switch {
		case tt.want == "" && (err != nil || status != 200 || body == ""):
			t.Errorf("%+v: got %d, %v", tt.r, status, err)
		case tt.want == "400" && status != 400:
			t.Errorf("plain HTTP: got %d, %v", status, err)
		case tt.want != "" && tt.want != "400" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%+v: got %v, want %s", tt.r, err, tt.want)
		}
	}
}

func TestRedirects(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(echo))
	defer other.Close()
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/down" {
			http.Redirect(w, r, r.URL.Query().Get("to"), http.StatusFound)
			return
		}
		echo(w, r)
	}))
	defer secure.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var code int
		if n, _ := fmt.Sscanf(r.URL.Path, "/go/%d", &code); n == 1 {
			w.Header().Set("Location", r.URL.Query().Get("to"))
			w.WriteHeader(code)
			return
		}
		echo(w, r)
	}))
	defer server.Close()
	for _, tt := range []struct {
		name, method, path, body string
		final                    func(int) bool
		status                   int
		want                     string
	}{
		{"302 makes GET of POST", "POST", "/go/302?to=/end", "x", nil, 200, "GET /end "},
		{"301 too", "POST", "/go/301?to=end", "x", nil, 200, "GET /go/end "},
		{"303 too", "PUT", "/go/303?to=/end", "x", nil, 200, "GET /end "},
		{"HEAD stays", "HEAD", "/go/302?to=/end", "", nil, 200, ""},
		{"307 keeps all", "POST", "/go/307?to=/end", "x", nil, 200, "POST /end "},
		{"308 keeps all", "PUT", "/go/308?to=/end", "x", nil, 200, "PUT /end "},
		{"the same host, written out", "GET", "/go/302?to=" + server.URL + "/end", "", nil, 200, "GET /end "},
		{"another port", "GET", "/go/302?to=" + other.URL + "/end", "", nil, 302, ""},
		{"another host", "GET", "/go/302?to=http://example.com/", "", nil, 302, ""},
		{"another scheme", "GET", "/go/302?to=ftp://127.0.0.1/", "", nil, 302, ""},
		{"a user", "GET", "/go/302?to=" + strings.Replace(server.URL, "://", "://u:p@", 1), "", nil, 302, ""},
		{"no Location", "GET", "/go/302", "", nil, 302, ""},
		{"expected", "GET", "/go/302?to=/end", "", func(s int) bool { return s == 302 }, 302, ""},
		{"304 is none", "GET", "/go/304?to=/end", "", nil, 304, ""},
		{"to https of the host", "GET", "/go/302?to=" + secure.URL + "/end", "", nil, 200, "GET /end "},
	} {
		status, body, err := get(t, Request{Method: tt.method, URL: server.URL + tt.path, Body: tt.body, Final: tt.final, InsecureSkipVerify: true})
		if err != nil || status != tt.status || !strings.HasPrefix(body, tt.want) {
			t.Errorf("%s: got %d %q, %v, want %d %q", tt.name, status, body, err, tt.status, tt.want)
		}
		if strings.HasPrefix(tt.want, "P") && !strings.HasSuffix(body, "body=x") {
			t.Errorf("%s: the body is not sent again: %q", tt.name, body)
		}
	}
	// From https to http the headers would be readable for everybody.
	if status, _, err := get(t, Request{URL: secure.URL + "/down?to=" + server.URL + "/end", InsecureSkipVerify: true}); status != 302 || err != nil {
		t.Errorf("https to http: %d, %v", status, err)
	}
}

func TestRedirectsEnd(t *testing.T) {
	hops := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hops++
		http.Redirect(w, r, fmt.Sprintf("/%d?secret", hops), http.StatusFound)
	}))
	defer server.Close()
	var many *RedirectError
	_, _, err := get(t, Request{URL: server.URL})
	if !errors.As(err, &many) || hops != 11 || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v after %d requests", err, hops)
	}
}

// raw answers each connection with a text, piece by piece, and then does what
// end says.
func raw(t *testing.T, end func(net.Conn), pieces ...string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = conn.Read(make([]byte, 4096))
				for _, piece := range pieces {
					if _, err := io.WriteString(conn, piece); err != nil {
						return
					}
				}
				end(conn)
			}()
		}
	}()
	return "http://" + listener.Addr().String()
}

func hang(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }
func hangUp(net.Conn)    {}

// TestAnswers goes through what a server may do that is not an answer, or not a
// whole one.
func TestAnswers(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\n"
	for _, tt := range []struct {
		name   string
		pieces []string
		body   string
		want   string // an error
	}{
		{"until the end of the connection", []string{head + "\r\n", "abc"}, "abc", ""},
		{"with a length", []string{head + "Content-Length: 3\r\n\r\nabcdef"}, "abc", ""},
		{"in chunks", []string{head + "Transfer-Encoding: chunked\r\n\r\n", "2\r\nab\r\n", "1;x=y\r\nc\r\n0\r\n\r\n"}, "abc", ""},
		{"after hints", []string{"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n", head + "Content-Length: 1\r\n\r\na"}, "a", ""},
		{"HTTP/1.0", []string{"HTTP/1.0 200 OK\r\n\r\na"}, "a", ""},
		{"nothing", nil, "", "the connection was closed without an answer"},
		{"half a head", []string{"HTTP/1.1 200"}, "", "the connection was closed without an answer"},
		{"another protocol", []string{"SSH-2.0-OpenSSH_9.2\r\n"}, "", "malformed HTTP"},
		{"a head without end", []string{head, strings.Repeat("X: "+strings.Repeat("y", 1000)+"\r\n", 70)}, "", "the head of the answer is longer than 64 KiB"},
		{"a line without end", []string{head + "X: " + strings.Repeat("y", 70_000)}, "", "the head of the answer is longer than 64 KiB"},
		{"less than its length", []string{head + "Content-Length: 10\r\n\r\nabc"}, "abc", "unexpected EOF"},
		{"a chunk cut", []string{head + "Transfer-Encoding: chunked\r\n\r\n5\r\nab"}, "ab", "unexpected EOF"},
		{"a chunk of no size", []string{head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n"}, "", "invalid byte in chunk length"},
		{"a body without end", []string{head + "\r\n", strings.Repeat("z", 2<<20)}, "", "the answer is longer than 1048576 bytes"},
	} {
		began := time.Now()
		_, body, err := get(t, Request{URL: raw(t, hangUp, tt.pieces...)})
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s: took %v", tt.name, took)
		}
		switch {
		case tt.want == "" && (err != nil || body != tt.body):
			t.Errorf("%s: got %q, %v", tt.name, body, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: got %.100v, want %s", tt.name, err, tt.want)
		case tt.body != "" && body != tt.body:
			t.Errorf("%s: got %.100q, want %q", tt.name, body, tt.body)
		}
	}
}

// TestContext ends a call in each of its phases; the cause is the context's.
func TestContext(t *testing.T) {
	testutil.Slow(t)
	full := raw(t, hang, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
	silent := raw(t, hang)
	deaf, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, reads nothing
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	cause := errors.New("it is time")
	for _, tt := range []struct {
		name string
		r    Request
	}{
		{"in the body", Request{Method: "GET", URL: full}},
		{"before the head", Request{Method: "GET", URL: silent}},
		{"while sending", Request{Method: "POST", URL: "http://" + deaf.Addr().String(), Body: strings.Repeat("x", 16<<20)}},
		{"in the handshake", Request{Method: "GET", URL: strings.Replace(silent, "http", "https", 1)}},
	} {
		for _, how := range []string{"deadline", "cancel"} {
			began := time.Now()
			ctx, cancel := context.WithTimeoutCause(t.Context(), 200*time.Millisecond, cause)
			if how == "cancel" {
				var stop context.CancelCauseFunc
				ctx, stop = context.WithCancelCause(t.Context())
				time.AfterFunc(200*time.Millisecond, func() { stop(cause) })
			}
			res, err := Do(ctx, tt.r, 1<<20)
			if err == nil {
				_, err = io.ReadAll(res.Body)
				res.Body.Close()
			}
			if took := time.Since(began); !errors.Is(err, cause) || took < 200*time.Millisecond || took > 10*time.Second {
				t.Errorf("%s, %s: %v after %v", tt.name, how, err, took)
			}
			cancel()
		}
	}
}

// TestSend reads the headers' files at each call, and shows nothing of them.
func TestSend(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Header.Get("Authorization"))
	}))
	defer server.Close()
	token := filepath.Join(t.TempDir(), "token")
	h := config.HTTP{Method: "GET", Status: config.AnySuccess()}
	h.Endpoint.URL.Request = server.URL
	h.Endpoint.Headers = []config.Header{{Name: "Authorization", Value: "Bearer ", File: token}}
	send := func() (string, error) {
		res, err := Send(t.Context(), h, 1<<20)
		if err != nil {
			return "", err
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		return string(text), err
	}
	for _, text := range []string{"one", "two\n", "\n three \n"} {
		if err := os.WriteFile(token, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := send(); err != nil || got != "Bearer "+strings.TrimSpace(text) {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	}
	if err := os.WriteFile(token, []byte("sec\nret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := send(); err == nil || strings.Contains(err.Error(), "sec") || !strings.Contains(err.Error(), "header Authorization from "+token+": a header's value is one line") {
		t.Errorf("two lines: %v", err)
	}
	if err := os.WriteFile(token, make([]byte, maxHeaderFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := send(); err == nil || !strings.Contains(err.Error(), "a regular file of at most 65536 bytes is needed") {
		t.Errorf("too large: %v", err)
	}
	os.Remove(token)
	if _, err := send(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}
