package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/internal/testutil"
)

func TestHTTPCommand(t *testing.T) {
	stop := make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch r.URL.Path {
		case "/hang":
			<-stop
		case "/busy":
			w.WriteHeader(503)
			io.WriteString(w, "busy\n")
		case "/long":
			io.WriteString(w, strings.Repeat("x", 2<<20))
		default:
			fmt.Fprintf(w, "%s %s %s %s %s", r.Method, r.URL.RequestURI(), body, r.Header.Get("A"), r.Header.Get("Authorization"))
		}
	})
	server, secure := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	defer server.Close()
	defer secure.Close()
	defer close(stop)
	good, goodKey := testutil.ClientCertificate(t, "good")
	mutual, _ := testutil.MutualTLS(t, handler, good)
	s := newSandbox(t, "")
	pair := "--cert " + s.write("cert", string(good), 0o600) + " --key " + s.write("key", string(goodKey), 0o600)
	token := s.write("token", "secret\n", 0o600)
	for _, tt := range []struct {
		args   string
		code   int
		stdout string
		stderr string
	}{
		{"URL/a?b=c", 0, "GET /a?b=c   ", ""},
		{"-d work -H A:b --token-file " + token + " URL/a", 0, "POST /a work b Bearer secret", ""},
		{"-X PUT -d work URL/a", 0, "PUT /a work  ", ""},
		{"-k SECURE/a", 0, "GET /a   ", ""},
		{"-k " + pair + " MUTUAL/a", 0, "GET /a   ", ""},
		{"-k MUTUAL/a", 1, "", "the server asked for a client certificate: certFile and keyFile (--cert and --key)"},
		{"-k --cert " + token + " --key " + s.path("key") + " MUTUAL/a", 1, "", "there is no certificate in it"},
		{"--cert /c MUTUAL/a", 2, "", `http: --cert: "/c": --key is needed too`},
		{"--key /k MUTUAL/a", 2, "", `http: --key: "/k": --cert is needed too`},
		{pair + " URL/a", 2, "", "means nothing here; an https URL is needed"},
		{"SECURE/a", 1, "", "certificate signed by unknown authority"},
		{"URL/busy", 1, "busy\n", "podhook: status 503 Service Unavailable"},
		{"--status 503 URL/busy", 0, "busy\n", ""},
		{"--status 200,5xx URL/busy", 0, "busy\n", ""},
		{"--timeout 300ms URL/hang", 124, "", "no whole answer within 300ms"},
		{"URL/long", 1, strings.Repeat("x", 1<<20), "the answer is longer than 1048576 bytes"},
		{"", 2, "", "http: one URL is needed"},
		{"ftp://a", 2, "", `http: URL: "ftp://a": allowed is an http or https URL`},
		{"-X get URL", 2, "", `http: -X: "get": one of GET, HEAD`},
		{"-H A URL", 2, "", "header 1: a header such as"},
		{"-H Content-Length:5 URL", 2, "", "is set by podhook itself"},
		{"--status 2000 URL", 2, "", `"2000": allowed is an HTTP status such as`},
		{"--timeout 0s URL", 2, "", "a duration of more than 0s"},
		{"unix:" + s.path("none") + ":/x", 1, "", "no such file or directory"},
		{"--unix-socket " + s.path("none") + " http://x/y", 1, "", "no such file or directory"},
	} {
		args := strings.Fields(strings.NewReplacer("URL", server.URL, "SECURE", secure.URL, "MUTUAL", mutual.URL).Replace(tt.args))
		e := s.run(append([]string{"http"}, args...)...)
		// The output can exceed the limit by the size of one read.
		short := e.stdout[:min(len(e.stdout), len(tt.stdout))]
		if e.code != tt.code || short != tt.stdout || len(e.stdout) > len(tt.stdout)+8192 || !strings.Contains(e.stderr, tt.stderr) || e.elapsed > 20*time.Second {
			t.Errorf("http %s: %.500v\nwant %d %.100q %q", tt.args, e, tt.code, tt.stdout, tt.stderr)
		}
		if strings.Contains(e.stderr, "secret") {
			t.Errorf("http %s shows the token: %s", tt.args, e.stderr)
		}
	}
	call := s.deaf("http", server.URL+"/hang")
	call.signal(t, syscall.SIGTERM)
	if e := call.wait(t); e.code != 143 || e.elapsed > 20*time.Second {
		t.Errorf("%v, want code 143", e)
	}
}

// TestWaitCommand: the command can wait for everything that a step can wait for.
func TestWaitCommand(t *testing.T) {
	s := newSandbox(t, "")
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	s.expect(0, "wait", "--http", server.URL, "--status", "404", "--timeout", "0s")
	contains(t, s.expect(124, "wait", "--http", server.URL, "--timeout", "300ms").stderr, "waited 300ms for http GET "+server.URL+": status 404 Not Found")
	file := s.write("file", "", 0o644)
	contains(t, s.expect(124, "wait", "--gone", file, "--timeout", "0s").stderr, "for file "+file+" to be gone: it exists")
	waiter := s.start("wait", "--gone", file, "--timeout", "35s")
	if err := exec.Command("rm", file).Run(); err != nil {
		t.Fatal(err)
	}
	if e := waiter.wait(t); e.code != 0 {
		t.Error(e)
	}
	for args, want := range map[string]string{
		"--metric URL --at-most 0":                    "a metric has a name",
		"--metric URL --name a":                       "a metric needs a bound",
		"--metric URL --name a --at-most x":           `"x": allowed is a number`,
		"--metric URL --name a --at-most 1 --label b": `"b": a label such as state=active`,
		"--metric URL --name a --gone-is fine":        `"fine": error, done or wait is needed`,
		"--file a --name b":                           "need --metric URL",
		"--http x":                                    `--http: "x": allowed is an http or https URL`,
		"--exit child":                                `--exit: "child": main is needed`,
		"--exit main":                                 "set PODHOOK_MAIN",
		"--file a --gone b":                           "one of HOOK, --file",
	} {
		e := s.expect(2, append([]string{"wait"}, strings.Fields(strings.ReplaceAll(args, "URL", server.URL))...)...)
		contains(t, e.stderr, want)
	}
}

// TestSignalTo reaches a process by its name or pidfile.
func TestSignalTo(t *testing.T) {
	s := newSandbox(t, "")
	other := s.server(exec.Command("sleep", "1000"))
	pidfile := s.write("pid", fmt.Sprintln(other.cmd.Process.Pid), 0o644)
	contains(t, s.expect(0, "signal", "TERM", "--to", "pidfile:"+pidfile).stdout,
		fmt.Sprintf("SIGTERM sent to pidfile:%s, process %d (sleep)", pidfile, other.cmd.Process.Pid))
	if e := other.wait(t); e.code != -int(syscall.SIGTERM) {
		t.Error(e)
	}
	contains(t, s.expect(2, "signal", "TERM", "--to", "file:x").stderr, `signal: --to: main process "file:x"`)
}
