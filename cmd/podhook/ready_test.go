package main

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/podhook/podhook/internal/testutil"
)

// podhook ready decides by the state where no agent listens, and makes nothing.
func TestReadyByTheState(t *testing.T) {
	s := newSandbox(t, "ready: [{file: $DIR/warm}]\n"+countedHooks)
	s.configure(strings.ReplaceAll(s.read("podhook.yaml"), "$DIR/warm", s.path("warm")))
	says := func(code int, want string) {
		t.Helper()
		e := s.expect(code, "ready")
		if strings.Count(e.stdout, "\n") != 1 || !strings.Contains(e.stdout, want) || e.stderr != "" {
			t.Errorf("%v, want one line with %q", e, want)
		}
	}
	says(1, "not ready: prestart has not run in this instance")
	s.expect(0, "prestart")
	says(1, "not ready: file "+s.path("warm")+": it does not exist")
	s.write("warm", "", 0o644)
	says(0, "ready")
	s.expect(0, "shutdown")
	says(1, "not ready: shutdown: succeeded")
	s.configure("hooks: [")
	says(1, "not ready: shutdown: succeeded") // by the last good configuration
	fresh := newSandbox(t, "hooks: [")
	if e := fresh.expect(1, "ready"); !strings.Contains(e.stdout, "not ready: "+fresh.path("podhook.yaml")) {
		t.Error(e)
	}
}

// With an agent its answer counts: it knows of a call that has no record yet.
func TestReadyByTheAgent(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	app := closedPort(t)
	s := newSandbox(t, "ready: [{tcp: '"+app+"'}]\nhooks: {shutdown: {steps: [{exec: [sh, -c, 'until [ -e \"$DIR/go\" ]; do sleep 0.02; done']}]}}\n", "PODHOOK_LISTEN="+address)
	agent := s.start("serve")
	testutil.Eventually(t, "the agent listens", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	e := s.expect(1, "ready")
	contains(t, e.stdout, "not ready: tcp "+app)
	testutil.Within(t, e.elapsed, 0, 10*time.Second)
	server, err := net.Listen("tcp", app)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	testutil.Eventually(t, "the application is ready", func() bool { return s.run("ready").code == 0 })
	if a, err := get(address, "/shutdown?wait=false"); err != nil || a.status != 202 {
		t.Fatalf("%+v, %v", a, err)
	}
	contains(t, s.expect(1, "ready").stdout, "not ready: shutdown: running")
	s.open()
	agent.cmd.Process.Kill()
	agent.wait(t)
}

// closedPort is an address on which nothing listens now.
func closedPort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
