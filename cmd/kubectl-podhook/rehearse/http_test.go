package rehearse

import (
	"slices"
	"strings"
	"testing"

	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse/kubelet"
	"github.com/podhook/podhook/internal/testutil"
)

// wantRequests asserts the requests for a path, byte for byte but for the order
// of the headers.
func wantRequests(t *testing.T, r kubelet.Report, path, source string, want ...[]string) {
	t.Helper()
	var got []string
	for _, line := range logged(r, "main", "request from ") {
		if strings.Contains(line, path+" ") || strings.Contains(line, path+"?") {
			got = append(got, line)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("requests %q, want %d", got, len(want))
	}
	for i, line := range got {
		from, text, _ := strings.Cut(line, " ")
		lines := strings.Split(strings.Trim(text, `["]`), `" "`)
		slices.Sort(lines[1:])
		slices.Sort(want[i][1:])
		if from != source || !slices.Equal(lines, want[i]) {
			t.Errorf("request from %s\n%q, want from %s\n%q", from, lines, source, want[i])
		}
	}
}

// The rows are those of deploy/kubernetes/kubelet.md, "preStop httpGet".
func TestPreStopHTTP(t *testing.T) {
	t.Parallel()
	success := []string{"Created", "Started", "Killing"}
	failure := append(slices.Clone(success), "FailedPreStopHook")
	for path, c := range map[string]struct {
		events []string
		hook   string // what the hook's end is called
		result string
	}{
		"/ok":            {success, "succeeds", "answered 200"},
		"/500":           {success, "succeeds", "answered 500 X (the status is ignored)"},
		"/close":         {failure, "fails", "EOF"},
		"/reset":         {failure, "fails", "connection reset by peer"},
		"/promise-10241": {success, "succeeds", "body of 10241 bytes not read"},
		"/redirect/9":    {success, "succeeds", "answered 200"}, // 10 requests
		"/redirect/10":   {failure, "fails", "stopped after 10 redirects"},
		"/elsewhere":     {success, "succeeds", "answered 302"},
	} {
		t.Run(strings.ReplaceAll(path[1:], "/", "-"), func(t *testing.T) {
			t.Parallel()
			p := newPod(t)
			r := rehearseJSON(t, p, p.serve("--pre-stop-http", p.port+path)...)
			wantEvents(t, r, c.events...)
			wantOnce(t, r, "main/preStop", c.hook, 0, 5)
			if end := find(r, "main/preStop", c.hook); len(end) == 1 && !strings.Contains(end[0].Result, c.result) {
				t.Errorf("%s: %q, want %q", c.hook, end[0].Result, c.result)
			}
			wantOnce(t, r, "main", "SIGTERM", 0.013, 5)
			wantNone(t, r, "main", "SIGKILL")
			if s := lastState(t, r, "main"); s.ExitCode != 0 || s.Reason != "Completed" || r.Phase != "Succeeded" || !r.EverReady {
				t.Errorf("state %+v, phase %s, ready %v", s, r.Phase, r.EverReady)
			}
		})
	}
}

func TestPreStopThatNeverAnswers(t *testing.T) {
	t.Parallel()
	testutil.Slow(t)
	for path, failed := range map[string]bool{"/hang": true, "/endless": false, "/promise-10240": false} {
		t.Run(path[1:], func(t *testing.T) {
			t.Parallel()
			p := newPod(t)
			r := rehearseJSON(t, p, p.serve("--grace", "2", "--env", "STUBBORN=true", "--pre-stop-http", p.port+path)...)
			wantOnce(t, r, "main/preStop", "not waited for", 2, 3)
			wantOnce(t, r, "main", "SIGTERM", 2, 3)
			wantOnce(t, r, "main", "SIGKILL", 4, 6)
			if s := lastState(t, r, "main"); s.ExitCode != 137 || s.Signal != "SIGKILL" || s.Reason != "Error" {
				t.Errorf("state %+v", s)
			}
			if closed := logged(r, "main", "the connection was closed"); len(closed) > 0 {
				t.Error("the request was cancelled, want it to last until the container dies")
			}
			if !failed {
				wantEvents(t, r, "Created", "Started", "Killing")
				return
			}
			wantEvents(t, r, "Created", "Started", "Killing", "FailedPreStopHook")
			killed := find(r, "main", "SIGKILL")[0].At
			if e := r.Events[len(r.Events)-1]; e.At < killed {
				t.Errorf("FailedPreStopHook at %v s, want it after the SIGKILL at %v s", e.At, killed)
			}
		})
	}
}

func TestPreStopRequest(t *testing.T) {
	t.Parallel()
	p := newPod(t)
	r := rehearseJSON(t, p, p.serve("--pre-stop-http", p.port+"/stop?why=a%20b", "--node-ip", "127.0.0.9")...)
	wantRequests(t, r, "/stop", "127.0.0.9", []string{
		"GET /stop?why=a%20b HTTP/1.1", "Host: " + p.ip + ":" + p.port,
		"User-Agent: kube-lifecycle/1.34", "Accept: */*", "Accept-Encoding: gzip",
	})
}

func TestProbeRequest(t *testing.T) {
	t.Parallel()
	p := newPod(t)
	r := rehearseJSON(t, p, p.serve()...)
	all := logged(r, "main", "request from ")
	if len(all) == 0 {
		t.Fatal("no probe")
	}
	for _, want := range []string{`"User-Agent: kube-probe/1.34"`, `"Accept: */*"`, `"Connection: close"`} {
		if !strings.Contains(all[0], want) || strings.Contains(all[0], "Accept-Encoding") {
			t.Errorf("request %s, want %s and no Accept-Encoding", all[0], want)
		}
	}
}

func TestPreStopHeaders(t *testing.T) {
	t.Parallel()
	p := newPod(t)
	r := rehearseJSON(t, p, p.serve("--pre-stop-http", p.port+"/stop", "--header", "Host: app.example", "--header", "user-agent: me",
		"--header", "X-Twice: 1", "--header", "X-Twice: 2")...)
	wantRequests(t, r, "/stop", "127.0.0.3", []string{
		"GET /stop HTTP/1.1", "Host: app.example", "User-Agent: me", "X-Twice: 1", "X-Twice: 2",
		"Accept: */*", "Accept-Encoding: gzip",
	})
}

func TestPreStopHTTPS(t *testing.T) {
	t.Parallel()
	p, secure := newPod(t), newPod(t)
	r := rehearseJSON(t, p, p.serve("--env", "TLS_LISTEN="+p.ip+":"+secure.port, "--header", "Authorization: Bearer x",
		"--pre-stop-http", "https://:"+secure.port+"/stop")...)
	wantEvents(t, r, "Created", "Started", "Killing")
	wantRequests(t, r, "/stop", "127.0.0.3", []string{
		"GET /stop HTTP/1.1", "Host: " + p.ip + ":" + secure.port, "Authorization: Bearer x",
		"User-Agent: kube-lifecycle/1.34", "Accept: */*", "Accept-Encoding: gzip",
	})
	if hello := logged(r, "main", "tls "); len(hello) != 1 || hello[0] != `sni="" alpn=[]` {
		t.Errorf("client hello %q, want one without SNI and HTTP/2", hello)
	}
}

func TestPreStopHTTPSToAPlainPort(t *testing.T) {
	t.Parallel()
	p := newPod(t)
	r := rehearseJSON(t, p, p.serve("--header", "Authorization: Bearer x", "--header", "X-Other: y",
		"--pre-stop-http", "https://:"+p.port+"/stop")...)
	wantEvents(t, r, "Created", "Started", "Killing", "LifecycleHTTPFallback")
	wantRequests(t, r, "/stop", "127.0.0.3", []string{
		"GET /stop HTTP/1.1", "Host: " + p.ip + ":" + p.port, "X-Other: y",
		"User-Agent: kube-lifecycle/1.34", "Accept: */*", "Accept-Encoding: gzip",
	})
}

func TestPreStopThatCannotConnect(t *testing.T) {
	t.Parallel()
	p, unused := newPod(t), newPod(t)
	for name, c := range map[string]struct {
		flags  []string
		result string
	}{
		"refused":                   {[]string{"--pre-stop-http", unused.port + "/stop"}, "connection refused"},
		"undeclared port name":      {[]string{"--pre-stop-http", "web/stop"}, `port "web" is not declared`},
		"the node's loopback":       {[]string{"--pre-stop-http", "http://127.0.0.1:" + p.port + "/stop"}, "the node's loopback"},
		"hostNetwork without host":  {[]string{"--pre-stop-http", p.port + "/stop", "--host-network"}, "no request is sent"},
		"agent on 127.0.0.1 alone ": {[]string{"--pre-stop-http", unused.port + "/stop", "--env", "TLS_LISTEN=127.0.0.1:" + unused.port}, "connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPod(t)
			r := rehearseJSON(t, p, p.serve(c.flags...)...)
			wantEvents(t, r, "Created", "Started", "Killing", "FailedPreStopHook")
			wantOnce(t, r, "main/preStop", "fails", 0, 5)
			if end := find(r, "main/preStop", "fails"); len(end) == 1 && !strings.Contains(end[0].Result, c.result) {
				t.Errorf("%q, want %q", end[0].Result, c.result)
			}
			wantOnce(t, r, "main", "SIGTERM", 0, 5)
		})
	}
}

func TestMainExitsDuringItsPreStop(t *testing.T) {
	t.Parallel()
	p := newPod(t)
	r := rehearseJSON(t, p, p.serve("--grace", "30", "--pre-stop-http", p.port+"/die")...)
	wantEvents(t, r, "Created", "Started", "Killing", "FailedPreStopHook")
	wantOnce(t, r, "main", "ended", 0, 5)
	wantNone(t, r, "main", "SIGTERM")
	if s := lastState(t, r, "main"); s.ExitCode != 7 || r.Phase != "Failed" {
		t.Errorf("state %+v, phase %s", s, r.Phase)
	}
}

func TestKubeletRestartDuringPreStop(t *testing.T) {
	t.Parallel()
	testutil.Slow(t)
	p := newPod(t)
	r := rehearseJSON(t, p, p.serve("--grace", "2", "--kubelet-restart-during-prestop", "1s", "--kubelet-down", "500ms", "--pre-stop-http", p.port+"/hang")...)
	begins := find(r, "main/preStop", "begins")
	if len(begins) != 2 || *begins[1].SinceDelete < 1.5 || *begins[1].SinceDelete > 3 {
		t.Errorf("preStop begins %+v, want two, the second at 1.5 s", begins)
	}
	if closed := logged(r, "main", "the connection was closed"); len(closed) != 1 {
		t.Errorf("%d connections were closed before the end, want the first", len(closed))
	}
	wantOnce(t, r, "main", "SIGTERM", 3.5, 6)
}

func TestForcedDelete(t *testing.T) {
	t.Parallel()
	p := newPod(t)
	r := rehearseJSON(t, p, p.serve("--force-delete", "--grace", "60", "--pre-stop-http", p.port+"/hang")...)
	wantOnce(t, r, "main", "SIGTERM", 1, 2)
}

func TestFailedPostStartHTTP(t *testing.T) {
	t.Parallel()
	p, unused := newPod(t), newPod(t)
	r := rehearseJSON(t, p, p.serve("--restart-policy", "Never", "--post-start-http", unused.port+"/start")...)
	wantEvents(t, r, "Created", "Started", "FailedPostStartHook", "Killing")
	if r.EverReady || len(find(r, "main", "SIGTERM")) != 1 {
		t.Errorf("ready %v, want the container to be stopped before", r.EverReady)
	}
}
