package main

import (
	"os"
	"testing"
	"time"
)

// A main process that nobody has ever seen may live: nothing of it is a success, and
// nothing waits for it.
func TestMainProcessNeverSeen(t *testing.T) {
	s := newSandbox(t, `hooks:
  shutdown: {timeout: 28s, steps: [{name: quit, signal: QUIT, onFailure: continue}, {name: exit, wait: {exit: main}, onFailure: continue}]}
`)
	without := s.env
	script := s.write("run.sh", "#!/bin/sh -e\n", 0o755)
	empty := s.write("empty.pid", "", 0o644)
	stale := s.write("stale.pid", "4194304\n", 0o644)
	for main, why := range map[string]string{
		"name:no-such-main":             "name:no-such-main not found",
		"name:gocheck-no-such":          "processes that can be seen none has this name",
		"exe:" + script:                 "a script has no exe of its own: its process runs /bin/sh; use name:run.sh",
		"exe:/no/such/main":             "processes that can be seen none runs this program",
		"pid:4194304":                   "there is no process 4194304",
		"pidfile:" + s.path("none.pid"): "there is no such file",
		"pidfile:" + empty:              "it is empty",
		"pidfile:" + stale:              "there is no process 4194304",
	} {
		s.env = append(without[:len(without):len(without)], "PODHOOK_MAIN="+main)
		e := s.expect(1, "shutdown")
		between(t, e.elapsed, 0, 15*time.Second)
		contains(t, e.stderr, why)
		for _, step := range s.record("shutdown").Steps {
			if step.Outcome != "failed" {
				t.Errorf("%s: %+v", main, step)
			}
			contains(t, step.Error, why)
		}
		contains(t, s.expect(1, "signal", "TERM").stderr, why)
		contains(t, s.expect(1, "signal", "--to", main, "TERM").stderr, why)
		for _, timeout := range []string{"0s", "30s"} {
			e = s.expect(1, "wait", "--exit", "main", "--timeout", timeout)
			contains(t, e.stderr, "wait for exit of the main process: ", why)
			between(t, e.elapsed, 0, 15*time.Second)
		}
		contains(t, s.expect(0, "status").stdout, main, why)
		if err := os.RemoveAll(s.path("state")); err != nil {
			t.Fatal(err)
		}
	}
}
