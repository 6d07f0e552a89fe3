package agent

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/podhook/podhook/agent/door"
	"github.com/podhook/podhook/hooks/state"
)

// FuzzRequests sends bytes to an agent with a token, which the bytes cannot contain, and to
// its second address. Whatever they are, nothing acts, nobody reads the output of a step,
// and the agent answers the next request.
func FuzzRequests(f *testing.F) {
	const secret, output = "a-token-that-is-not-among-the-seeds", "what-the-step-has-printed"
	for _, seed := range []string{
		"GET /shutdown HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST /hooks/own?force=true&wait=false HTTP/1.1\r\nHost: a\r\nX-Podhook-Token: none\r\nContent-Length: 3\r\n\r\nabc",
		"GET /hooks/own/output HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer \r\n\r\n",
		"GET /api/own HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer none\r\nOrigin: null\r\n\r\nGET /status?pretty HTTP/1.1\r\nHost: a\r\n\r\n",
		"HEAD /hooks/own HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET //shutdown HTTP/1.1\r\nHost: a\r\n\r\n", "GET /hooks/../shutdown HTTP/1.1\r\nHost: a\r\n\r\n", "GET http://a/shutdown HTTP/1.0\r\n\r\n",
		"POST /shutdown HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /prestart HTTP/1.1\r\nHost: a\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET /metrics HTTP/1.1\r\nHost: a\r\nUser-Agent: kube-lifecycle/1.34\r\n\r\n",
		"GET /shutdown HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", "GET /%2e%2e/shutdown%00 HTTP/1.1\r\nHost: a\r\n\r\n",
		"CONNECT /shutdown HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", "",
	} {
		f.Add([]byte(seed))
	}
	w := newWorld(f, "hooks: {prestart: {steps: [{sleep: 1ms}]}, shutdown: {steps: [{sleep: 1ms}]}, own: {paths: [/api/own], steps: [{exec: [echo, "+output+"]}]}}", withTokens(secret))
	if a := w.ask("POST", "/hooks/own", "X-Podhook-Token", secret); a.Code != http.StatusOK {
		f.Fatal(a.Code, a.Body)
	}
	before, _, err := w.agent.Store.Hook("own").Read()
	if err != nil {
		f.Fatal(err)
	}
	var addresses []string
	for _, handler := range []http.Handler{w.agent.Handler(), w.agent.MetricsHandler()} {
		l, err := door.Listen("127.0.0.1:0", 64, nil)
		if err != nil {
			f.Fatal(err)
		}
		server := w.agent.server(handler)
		server.ReadHeaderTimeout, server.ReadTimeout = 50*time.Millisecond, 50*time.Millisecond
		go server.Serve(l)
		f.Cleanup(func() { server.Close() })
		addresses = append(addresses, l.Addr().String())
	}
	f.Fuzz(func(t *testing.T, request []byte) {
		if bytes.Contains(request, []byte(secret)) {
			t.Skip("it has the right")
		}
		for _, address := range addresses {
			answers := exchange(t, address, request)
			if strings.Contains(answers, output) {
				t.Errorf("the output of a step is answered: %q", answers)
			}
			if again := exchange(t, address, []byte("GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")); !strings.HasPrefix(again, "HTTP/1.1 200 ") {
				t.Errorf("the next caller gets %q", again)
			}
		}
		for _, hook := range []string{"prestart", "shutdown"} {
			if _, found, err := w.agent.Store.Hook(hook).Read(); found || err != nil {
				t.Errorf("%s was run: %v", hook, err)
			}
		}
		if after, _, err := w.agent.Store.Hook("own").Read(); err != nil || after.RunID != before.RunID || after.Totals.Runs[state.Succeeded] != 1 {
			t.Errorf("own was run again: %+v, %v", after, err)
		}
	})
}

// exchange sends bytes and reads what comes until the connection ends.
func exchange(t *testing.T, address string, request []byte) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = conn.Write(request) // it may be cut off
	_ = conn.(*net.TCPConn).CloseWrite()
	answers, _ := io.ReadAll(conn)
	return string(answers)
}
