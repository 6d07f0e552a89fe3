package main

import (
	"strings"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/internal/testutil"
)

// A hook that waits for itself fails at once, and not at its timeout.
func TestHookThatWaitsForItself(t *testing.T) {
	step := func(text string) string { return "{timeout: 50s, steps: [{" + script(text) + "}]}" }
	for name, c := range map[string]struct{ hooks, call, says string }{
		"itself":        {"a: " + step(`"$PODHOOK" hook a`), "a", "a step of hook a calls hook a, which would wait for itself"},
		"forced":        {"a: " + step(`"$PODHOOK" hook a --force`), "a", "a step of hook a calls hook a"},
		"through two":   {"a: " + step(`"$PODHOOK" hook b`) + ", b: " + step(`"$PODHOOK" hook c`) + ", c: " + step(`"$PODHOOK" hook a`), "a", "a step of hook a calls hook b, a step of which calls hook c, a step of which calls hook a, which would wait for itself"},
		"inner loop":    {"o: " + step(`"$PODHOOK" hook a`) + ", a: " + step(`"$PODHOOK" hook b`) + ", b: " + step(`"$PODHOOK" hook a`), "o", "a step of hook a calls hook b, a step of which calls hook a, which"},
		"wait":          {"a: " + step(`"$PODHOOK" wait a`), "a", "a step of hook a calls hook a"},
		"without state": {"shutdown: " + step(`"$PODHOOK" shutdown`), "shutdown", "a step of hook shutdown calls hook shutdown"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSandbox(t, "hooks: {"+c.hooks+"}\n")
			s.env = append(s.env, "PODHOOK="+s.binary)
			if name == "without state" {
				s.env = append(s.env, "PODHOOK_STATE_DIR=/proc/none")
			}
			e := s.expect(1, "hook", c.call)
			testutil.Within(t, e.elapsed, 0, 30*time.Second)
			contains(t, e.stderr, c.says, "exited with code 2")
		})
	}
}

// A hook may call other hooks and look at its own outcome, and a background process of it
// may call it later.
func TestHookThatCallsAnother(t *testing.T) {
	s := newSandbox(t, "hooks: {a: {steps: [{"+script(`"$PODHOOK" hook b && "$PODHOOK" hook b && { "$PODHOOK" wait a --timeout 0s; [ $? = 124 ]; }`)+
		"}]}, b: {steps: [{"+script(`echo "b $PODHOOK_CALLERS" >>"$DIR/ran"`)+"}]}, "+
		"late: {steps: [{"+script(`echo late >>"$DIR/ran"; [ -e "$DIR/go" ] || { (until [ -e "$DIR/go" ]; do sleep 0.02; done; exec "$PODHOOK" hook late --force) & }`)+"}]}}\n")
	s.env = append(s.env, "PODHOOK="+s.binary)
	s.expect(0, "hook", "a")
	if got, want := s.read("ran"), "b a/"+s.record("a").RunID+"\n"; got != want {
		t.Errorf("ran %q, want %q", got, want)
	}
	s.expect(0, "hook", "late")
	s.open()
	testutil.Eventually(t, "the background process has called the hook", func() bool { return strings.Count(s.read("ran"), "late") == 2 })
	testutil.Eventually(t, "that run has succeeded", func() bool { return s.record("late").Totals.Runs[state.Succeeded] == 2 })
}
