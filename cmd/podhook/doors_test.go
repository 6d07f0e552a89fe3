package main

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/podhook/podhook/internal/testutil"
)

// doors starts an agent and returns the part of its log that says where it listens.
func (s *sandbox) doors() (agent *running, line string) {
	s.t.Helper()
	log := s.path("agent-log")
	file, err := os.Create(log)
	if err != nil {
		s.t.Fatal(err)
	}
	defer file.Close()
	cmd := s.command("serve")
	cmd.Stdout = file
	agent = s.begin(cmd)
	listens := regexp.MustCompile(`msg="agent listens".*`)
	testutil.Eventually(s.t, "the agent listens", func() bool {
		line = listens.FindString(s.read("agent-log"))
		return line != ""
	})
	return agent, line
}

func attribute(t *testing.T, line, name string) string {
	t.Helper()
	m := regexp.MustCompile(` ` + name + `=(\S+)`).FindStringSubmatch(line)
	if m == nil {
		t.Fatalf("no %s in %q", name, line)
	}
	return m[1]
}

// Through its socket root and podhook's own user may do everything, without a token;
// nobody else may do anything. At the second address nothing acts.
func TestSocketAndMetricsAddress(t *testing.T) {
	dir, err := os.MkdirTemp("", "doors") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "podhook.sock")
	s := newSandbox(t, countedHooks, "PODHOOK_LISTEN=unix:"+socket, "PODHOOK_METRICS_LISTEN=127.0.0.1:0", "PODHOOK_TOKEN="+token)
	agent, line := s.doors()
	call := func(path string) ended { return s.run("http", "--unix-socket", socket, "http://localhost"+path) }
	if e := call("/prestart"); e.code != 0 {
		t.Error(e)
	}
	if e := call("/prestart?force=true"); e.code != 0 {
		t.Error(e)
	}
	if n := strings.Count(s.read("ran"), "prestart\n"); n != 2 {
		t.Errorf("prestart was run %d times", n)
	}
	s.expect(0, "ready")
	s.expect(0, "check") // its address is taken by the agent itself
	metrics := attribute(t, line, "metrics_address")
	if a, err := get(metrics, "/shutdown"); err != nil || a.status != 404 {
		t.Errorf("at the second address /shutdown is %+v, %v", a, err)
	}
	if os.Geteuid() == 0 {
		if err := os.Chmod(socket, 0o666); err != nil {
			t.Fatal(err)
		}
		cmd := s.command("http", "--unix-socket", socket, "http://localhost/livez")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		cmd.Dir = "/"
		if e := s.begin(cmd).wait(t); e.code == 0 || !strings.Contains(e.stdout+e.stderr, "only root and podhook's own user may use this socket") {
			t.Errorf("another user gets %v", e)
		}
	}
	agent.signal(t, syscall.SIGKILL)
	agent.wait(t)
	agent, _ = s.doors() // at the socket that the killed one has left
	s.expect(0, "ready")
	agent.signal(t, syscall.SIGTERM)
	agent.wait(t)
	if _, err := os.Stat(socket); !os.IsNotExist(err) {
		t.Error("the socket is left behind")
	}
}

// With TLS the commands ask the agent by TLS, and a plain caller gets no answer.
func TestAgentSpeaksTLS(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	s := newSandbox(t, countedHooks, "PODHOOK_LISTEN="+address, "PODHOOK_TLS=self-signed", "PODHOOK_TOKEN="+token)
	agent, _ := s.doors()
	s.expect(1, "ready")
	if e := s.run("http", "-k", "https://"+address+"/prestart"); e.code == 0 || !strings.Contains(e.stdout+e.stderr, "401") {
		t.Errorf("without a token: %v", e)
	}
	s.expect(0, "http", "-k", "-H", "X-Podhook-Token: "+token, "https://"+address+"/prestart")
	contains(t, s.expect(0, "ready").stdout, "ready")
	if e := s.run("http", "http://"+address+"/prestart"); e.code == 0 || !strings.Contains(e.stderr, "closed without an answer") {
		t.Errorf("a plain caller gets %v", e)
	}
	s.expect(0, "check")
	agent.signal(t, syscall.SIGTERM)
	agent.wait(t)
	contains(t, s.read("agent-log"), "client sent an HTTP request to an HTTPS server", "PODHOOK_TOKEN is in the environment")
	if strings.Contains(s.read("agent-log"), token) {
		t.Error("the log has the token")
	}
}

// A step does not get the token, whoever runs it; the main process does.
func TestTokenOfTheEnvironment(t *testing.T) {
	s := newSandbox(t, "hooks: {prestart: {steps: [{exec: [sh, -c, 'env >$DIR/step']}]}}", "PODHOOK_TOKEN="+token)
	s.expect(0, "run", "--", "sh", "-c", "env >$DIR/main")
	if strings.Contains(s.read("step"), token) || !strings.Contains(s.read("step"), "PODHOOK_HOOK") {
		t.Errorf("a step gets %s", s.read("step"))
	}
	contains(t, s.read("main"), "PODHOOK_TOKEN="+token)
}

func TestCheckFindsWhatKeepsTheAgentFromItsStart(t *testing.T) {
	s := newSandbox(t, "hooks: {}")
	s.write("tokens", "short\n", 0o600)
	s.env = append(s.env, "PODHOOK_TOKEN_FILE="+s.path("tokens"), "PODHOOK_TLS_CERT_FILE="+s.path("none"), "PODHOOK_TLS_KEY_FILE="+s.path("none"))
	found(t, s.checkOf(2),
		"error . PODHOOK_TOKEN_FILE DIR/tokens DIR/tokens:1: the token has 5 characters, at least 16 are needed: head -c 24 /dev/urandom | base64 makes one",
		"error . PODHOOK_TLS_CERT_FILE DIR/none no such file or directory")
	contains(t, s.expect(2, "serve").stderr, "PODHOOK_TOKEN_FILE: ")
}
