package main

import (
	"encoding/json"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/podhook/podhook/agent"
	"github.com/podhook/podhook/internal/testutil"
)

const timed = `hooks:
  prestart:
    steps:
    - {name: first, exec: [sh, -c, "sleep 0.3"]}
    - {name: second, exec: [sh, -c, "sleep 0.3; test -e go"], workingDir: DIR}
`

// TestStatusTimeline draws the last run and lists those before it.
func TestStatusTimeline(t *testing.T) {
	s := newSandbox(t, "")
	s.configure(strings.ReplaceAll(timed, "DIR", s.dir))
	s.env = append(s.env, "PODHOOK_CONFIG="+s.path("podhook.yaml"))
	s.expect(1, "prestart")
	s.expect(1, "prestart")
	s.open()
	s.expect(0, "prestart")
	out := s.expect(0, "status", "--timeline").stdout
	var bars []string
	for line := range strings.Lines(out) {
		if strings.Contains(line, "#") {
			bars = append(bars, strings.Fields(line)[1])
		}
	}
	if len(bars) != 2 || !strings.HasPrefix(bars[0], "######") || !strings.HasPrefix(bars[1], "......") || !strings.HasSuffix(bars[1], "######") {
		t.Errorf("%q in\n%s", bars, out)
	}
	if n := strings.Count(out, "  before: "); n != 2 {
		t.Errorf("%d runs before, want 2, in\n%s", n, out)
	}
	contains(t, out, "failed, called by exec", "step second: exited with code 1")

	var st agent.Status
	if err := json.Unmarshal([]byte(s.expect(0, "status", "-o", "json").stdout), &st); err != nil {
		t.Fatal(err)
	}
	if h := st.Hooks[0].History; len(h) != 3 || h[0].Outcome != "failed" || h[2].Outcome != "succeeded" || h[2].RunID != st.Hooks[0].LastRun.RunID || len(h[2].Steps) != 2 {
		t.Errorf("%+v", h)
	}
}

// TestStatusWatch shows the status again and again, until it is interrupted.
func TestStatusWatch(t *testing.T) {
	s := newSandbox(t, "")
	contains(t, s.expect(2, "status", "--watch", "-o", "json").stderr, "--watch is for people")
	call := s.begin(exec.Command("sh", "-c", "exec "+plain+" status --watch >"+s.path("out")))
	testutil.Eventually(t, "two looks", func() bool { return strings.Count(s.read("out"), "instance ") >= 2 })
	call.signal(t, syscall.SIGTERM)
	if e := call.wait(t); e.code != 143 {
		t.Errorf("%v, want code 143", e)
	}
}

// TestHistoryOfAKilledRun: the next run puts it into the history.
func TestHistoryOfAKilledRun(t *testing.T) {
	s := newSandbox(t, gated)
	call := s.start("prestart")
	s.began(1)
	if err := syscall.Kill(s.record("prestart").PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	call.wait(t)
	s.open()
	s.expect(0, "prestart")
	var st agent.Status
	if err := json.Unmarshal([]byte(s.expect(0, "status", "-o", "json").stdout), &st); err != nil {
		t.Fatal(err)
	}
	if h := st.Hooks[0].History; len(h) != 2 || h[0].Outcome != "interrupted" || h[0].End != nil || h[1].Outcome != "succeeded" {
		t.Errorf("%+v", h)
	}
}
