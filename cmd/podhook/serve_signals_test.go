package main

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/podhook/podhook/internal/testutil"
)

const drains = `hooks:
  shutdown:
    steps:
    - {name: drain, write: {file: "${DIR}/drained"}}
`

// logging is podhook serve whose log is the file log, and where it listens.
func (s *sandbox) logging() (*running, string) {
	s.t.Helper()
	log, err := os.OpenFile(s.path("log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	cmd := s.command("serve")
	cmd.Stdout = log
	agent := s.begin(cmd)
	address := ""
	testutil.Eventually(s.t, "the agent listens", func() bool {
		if m := listens.FindStringSubmatch(s.read("log")); m != nil {
			address = m[1]
		}
		return address != ""
	})
	return agent, address
}

// Whatever asks the agent to stop, it drains before it leaves.
func TestStopSignalsOfServe(t *testing.T) {
	testutil.Slow(t)
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT} {
		s := newSandbox(t, drains, "PODHOOK_LISTEN=127.0.0.1:0")
		agent, _ := s.agent()
		agent.signal(t, sig)
		if e := agent.wait(t); e.code != 0 || !s.exists("drained") {
			t.Errorf("%v: %v, drained: %t", sig, e, s.exists("drained"))
		}
	}
}

// HUP only makes the agent read the configuration again.
func TestHangupOfServe(t *testing.T) {
	s := newSandbox(t, drains, "PODHOOK_LISTEN=127.0.0.1:0")
	agent, address := s.logging()
	for n := 1; n <= 2; n++ { // the file has not changed
		agent.signal(t, syscall.SIGHUP)
		testutil.Eventually(t, "the configuration is read again", func() bool { return strings.Count(s.read("log"), "configuration read again") == n })
	}
	s.configure("hooks: {shutdown: {stepps: []}}\n")
	agent.signal(t, syscall.SIGHUP)
	testutil.Eventually(t, "a broken one is refused", func() bool { return strings.Contains(s.read("log"), "configuration refused") })
	if a, err := get(address, "/shutdown"); err != nil || a.Outcome != "succeeded" || !s.exists("drained") {
		t.Errorf("%+v, %v: the last good configuration is not in force", a, err)
	}
	agent.signal(t, syscall.SIGTERM)
	if e := agent.wait(t); e.code != 0 {
		t.Error(e)
	}
}
