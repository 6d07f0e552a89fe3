package main

import (
	"os"
	"syscall"
	"testing"

	"github.com/podhook/podhook/internal/testutil"
)

const podEnds = `hooks:
  shutdown:
    steps:
    - {name: drain, exec: [sh, -c, 'echo >>"$DIR/drained"']}
    - {name: deregister, write: {file: "${DIR}/deregistered"}, when: {podEnds: true}}
`

// Only an agent that was told to stop itself knows that the whole pod ends: the
// main container's preStop comes before a restart of that one too.
func TestPodEnds(t *testing.T) {
	testutil.Slow(t)
	s := newSandbox(t, podEnds, "PODHOOK_LISTEN=127.0.0.1:0")
	agent, address := s.agent()
	if a, err := get(address, "/shutdown"); err != nil || a.Outcome != "succeeded" || !s.exists("drained") || s.exists("deregistered") {
		t.Errorf("%+v, %v: a call of preStop was taken for the pod's end, or did nothing", a, err)
	}
	contains(t, s.expect(0, "status").stdout, "when: that the pod ends is not known here")
	agent.signal(t, syscall.SIGTERM)
	if e := agent.wait(t); e.code != 0 || s.read("drained") != "\n" || !s.exists("deregistered") {
		t.Errorf("%v, drained %q: the agent's own stop did not run what preStop had left out, and nothing else", e, s.read("drained"))
	}

	s = newSandbox(t, podEnds, "PODHOOK_LISTEN=127.0.0.1:0")
	agent, _ = s.agent()
	agent.signal(t, syscall.SIGTERM)
	if e := agent.wait(t); e.code != 0 || !s.exists("drained") || !s.exists("deregistered") {
		t.Errorf("%v: the agent's own stop was not taken for the pod's end", e)
	}

	s = newSandbox(t, podEnds)
	s.expect(0, "shutdown")
	if !s.exists("drained") || s.exists("deregistered") {
		t.Error("an exec'd hook was taken for the pod's end, or did nothing")
	}
}

// agent is podhook serve and where it listens.
func (s *sandbox) agent() (*running, string) {
	s.t.Helper()
	r, w := pipe(s.t)
	cmd := s.command("serve")
	cmd.Stdout = w
	agent := s.begin(cmd)
	w.Close()
	return agent, listening(s.t, r)
}

func (s *sandbox) exists(name string) bool {
	_, err := os.Stat(s.path(name))
	return err == nil
}
