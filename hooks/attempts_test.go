package hooks

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/internal/testutil"
)

// TestRetries: each attempt gets its number, and the first success is the last attempt.
func TestRetries(t *testing.T) {
	b := newBench(t, hook(`
- name: flaky
  exec: [sh, -c, "echo $PODHOOK_ATTEMPT >>DIR/tried; echo try $PODHOOK_ATTEMPT; [ $PODHOOK_ATTEMPT = 3 ]"]
  retries: 5
  backoff: 10ms
- exec: [sh, -c, "echo $PODHOOK_ATTEMPT >>DIR/tried"]
`))
	rec := b.expect(state.Succeeded, "flaky succeeded", "exec-sh succeeded")
	if got := b.read("tried"); got != "1\n2\n3\n1\n" {
		t.Errorf("attempts %q", got)
	}
	if s := rec.Steps[0]; s.Attempt != 3 || s.Error != "" || s.ExitCode == nil || *s.ExitCode != 0 {
		t.Errorf("record %+v", s)
	}
	contains(t, b.out.text(), "flaky: try 1", "attempt 1 of 6 failed: exited with code 1, next in ", "attempt 2 of 6 failed", "flaky: try 3")
	if kept := rec.Totals.Steps; kept[state.Succeeded] != 2 || kept[state.Failed] != 0 {
		t.Errorf("attempts are counted as steps: %v", kept)
	}
}

func TestRetriesEnd(t *testing.T) {
	b := newBench(t, hook(`
- name: a
  exec: [sh, -c, "echo x >>DIR/tried; exit 7"]
  retries: 2
  backoff: 1ms
- exec: ["true"]
`))
	rec := b.expect(state.Failed, "a failed", "exec-true skipped")
	if got := b.read("tried"); got != "x\nx\nx\n" || rec.Steps[0].Attempt != 3 {
		t.Errorf("tried %q, attempt %d", got, rec.Steps[0].Attempt)
	}
	if rec.Reason != "step a: exited with code 7" {
		t.Errorf("reason %q", rec.Reason)
	}
}

func TestRetryOn(t *testing.T) {
	testutil.Slow(t)
	const step = "- name: a\n  exec: [sh, -c, %q]\n  timeout: 300ms\n  killAfter: 50ms\n  retries: 2\n  backoff: 1ms\n  retryOn: %s\n"
	for _, tt := range []struct {
		script, on string
		attempts   int
		outcome    state.Outcome
	}{
		{"exit 7", "[7]", 3, state.Failed},
		{"exit 8", "[7]", 1, state.Failed},
		{"exit 8", "[timeout]", 1, state.Failed},
		{"kill -9 $$", "[137]", 3, state.Failed},
		{"kill -9 $$", "[9]", 1, state.Failed},
		{"sleep 30", "[timeout]", 3, state.TimedOut},
		{"sleep 30", "[7]", 1, state.TimedOut},
	} {
		yaml := strings.NewReplacer("%q", `"`+strings.ReplaceAll(tt.script, "$$", "$$$$")+`"`, "%s", tt.on).Replace(step)
		b := newBench(t, hook(yaml))
		began := time.Now()
		rec := b.expect(tt.outcome, "a "+string(tt.outcome))
		if got := rec.Steps[0].Attempt; got != tt.attempts {
			t.Errorf("%s, retryOn %s: %d attempts, want %d", tt.script, tt.on, got, tt.attempts)
		}
		if tt.outcome == state.TimedOut { // the timeout is each attempt's
			testutil.Within(t, time.Since(began), time.Duration(tt.attempts)*300*time.Millisecond, 15*time.Second)
		}
	}
}

// TestScriptsShareRetries: only the failing script of a directory is retried, and all
// scripts share the step's retries.
func TestScriptsShareRetries(t *testing.T) {
	b := newBench(t, hook("- {name: all, scripts: DIR/d, retries: 2, backoff: 1ms}\n"))
	b.script("d/1", "echo 1 >>"+b.dir+"/ran")
	b.script("d/2", "echo 2 >>"+b.dir+"/ran; [ $PODHOOK_ATTEMPT = 2 ]")
	b.script("d/3", "echo 3 >>"+b.dir+"/ran; exit 1")
	b.script("d/4", "echo 4 >>"+b.dir+"/ran")
	b.expect(state.Failed, "all/1 succeeded", "all/2 succeeded", "all/3 failed", "all/4 skipped")
	if got := b.read("ran"); got != "1\n2\n2\n3\n3\n" {
		t.Errorf("ran %q", got)
	}
}

// TestBackoffEnds: a pause does not outlast the hook's time.
func TestBackoffEnds(t *testing.T) {
	b := newBench(t, hook("- {name: a, exec: [\"false\"], retries: 100, backoff: 20s}\n", "timeout: 2s"))
	began := time.Now()
	rec := b.run()
	testutil.Within(t, time.Since(began), 0, 10*time.Second)
	if rec.Outcome != state.Failed || !strings.Contains(b.out.text(), "no time is left for another one") {
		t.Errorf("got %s, %s\n%s", rec.Outcome, rec.Reason, b.out.text())
	}
}

// TestBackoff measures many pauses in fake time: their maximum doubles up to the cap, and
// they spread over the whole range.
func TestBackoff(t *testing.T) {
	cfg, err := config.Parse("f.yaml", []byte(`hooks:
  shutdown:
    timeout: 24h
    steps:
    - remove: /proc/self/status
      retries: 7
      backoff: 2s
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	const rounds = 300
	var total time.Duration
	var longest time.Duration
	for range rounds {
		synctest.Test(t, func(t *testing.T) {
			// shutdown runs without a store, so nothing is written.
			r := New(t.Context(), Options{Config: func() (*config.Config, error) { return cfg, nil }, StoreErr: context.Canceled})
			began := time.Now()
			result, err := r.Call(t.Context(), config.Shutdown, Request{Force: true})
			if err != nil || result.Record.Outcome != state.Failed || result.Record.Steps[0].Attempt != 8 {
				t.Fatalf("got %+v, %v", result.Record, err)
			}
			took := time.Since(began)
			total += took
			longest = max(longest, took)
		})
	}
	const most = (2 + 4 + 8 + 16 + 30 + 30 + 30) * time.Second
	if longest > most || longest < most*6/10 {
		t.Errorf("the longest of all took %v; the worst case is %v", longest, most)
	}
	if mean := total / rounds; mean < most*4/10 || mean > most*6/10 {
		t.Errorf("the mean is %v, want about half of %v", mean, most)
	}
}
