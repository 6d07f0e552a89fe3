package hooks

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/internal/testutil"
)

func (b *bench) script(name, text string) {
	b.t.Helper()
	path := b.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		b.t.Fatal(err)
	}
}

func TestOnFailure(t *testing.T) {
	for policy, want := range map[string]struct {
		outcome state.Outcome
		next    string
	}{
		"fail":     {state.Failed, "next skipped"},
		"continue": {state.Failed, "next succeeded"},
		"ignore":   {state.Succeeded, "next succeeded"},
	} {
		b := newBench(t, hook("- {name: a, exec: [\"false\"], onFailure: "+policy+"}\n- {name: next, exec: [\"true\"]}\n"))
		rec := b.expect(want.outcome, "a failed", want.next)
		if marked := b.exists("state/hooks/demo/marker"); marked != (want.outcome == state.Succeeded) {
			t.Errorf("%s: marked: %v", policy, marked)
		}
		if wantReason := "step a: exited with code 1"; policy != "ignore" && rec.Reason != wantReason {
			t.Errorf("%s: reason %q", policy, rec.Reason)
		}
	}
}

// TestIgnoreDoesNotOutlast: onFailure: ignore does not hide the end of the hook's time.
func TestIgnoreDoesNotOutlast(t *testing.T) {
	b := newBench(t, hook("- {name: a, sleep: 30s, onFailure: ignore}\n- {name: next, exec: [\"true\"]}\n", "timeout: 300ms"))
	began := time.Now()
	b.expect(state.TimedOut, "a timed_out", "next skipped")
	testutil.Within(t, time.Since(began), 300*time.Millisecond, 10*time.Second)
}

// TestAlways: a step with always: true runs after a failure, after the end of the hook's
// time and after an interruption.
func TestAlways(t *testing.T) {
	testutil.Slow(t)
	const rest = `
- {name: next, exec: ["true"]}
- {name: clean, exec: [sh, -c, "echo cleaned"], always: true, timeout: 1s}
- {name: last, exec: ["true"]}
- {name: file, write: {file: DIR/done}, always: true}
`
	t.Run("after a failure", func(t *testing.T) {
		b := newBench(t, hook("- {name: a, exec: [\"false\"]}"+rest))
		b.expect(state.Failed, "a failed", "next skipped", "clean succeeded", "last skipped", "file succeeded")
		contains(t, b.out.text(), "clean: cleaned")
	})
	t.Run("after the end of the time", func(t *testing.T) {
		b := newBench(t, hook("- {name: a, sleep: 30s}"+rest, "timeout: 2s"))
		began := time.Now()
		rec := b.expect(state.TimedOut, "a timed_out", "next skipped", "clean succeeded", "last skipped", "file succeeded")
		testutil.Within(t, time.Since(began), time.Second, 15*time.Second) // 1s of the 2s is kept
		if !b.exists("done") {
			t.Error("the file was not written")
		}
		contains(t, rec.Reason, "step a: timed out after the timeout of 2s of hook demo, 1s of which is reserved for steps that always run")
	})
	t.Run("after an interruption", func(t *testing.T) {
		b := newBench(t, hook("- {name: a, sleep: 30s}"+rest))
		f, _, err := b.Start("demo", Request{})
		if err != nil {
			t.Fatal(err)
		}
		testutil.Eventually(t, "the step runs", func() bool {
			rec, found, err := b.Options.Store.Hook("demo").Read()
			return err == nil && found && rec.Steps[0].Outcome == state.Running
		})
		b.Interrupt(errors.New("enough"), func(string) bool { return true })
		result, err := f.Wait(t.Context())
		if err != nil || result.Record.Outcome != state.Interrupted || !b.exists("done") {
			t.Errorf("got %+v, %v", result.Record, err)
		}
		contains(t, result.Record.Reason, "interrupted: enough")
	})
	t.Run("and its own failure counts", func(t *testing.T) {
		b := newBench(t, hook("- {name: clean, exec: [\"false\"], always: true}\n"))
		b.expect(state.Failed, "clean failed")
	})
	t.Run("for its own time only", func(t *testing.T) {
		b := newBench(t, hook("- {name: a, exec: [\"false\"]}\n- {name: clean, exec: [sleep, \"30\"], always: true, timeout: 300ms, killAfter: 50ms}\n"))
		began := time.Now()
		b.expect(state.Failed, "a failed", "clean timed_out")
		testutil.Within(t, time.Since(began), 300*time.Millisecond, 10*time.Second)
	})
}

func TestWhen(t *testing.T) {
	const steps = `
- {name: any, exec: ["true"]}
- {name: signal, exec: ["true"], when: {trigger: [signal, start]}}
- {name: exec, exec: ["true"], when: {trigger: [exec]}}
- {name: end, exec: ["true"], when: {podEnds: true}}
`
	outcomes := func(own, told bool, trigger state.Trigger) string {
		b := newBench(t, hook(steps), func(o *Options) { o.OwnContainer = own })
		if told {
			b.BeginGrace(time.Now())
		}
		result, err := b.Call(t.Context(), "demo", Request{Trigger: trigger})
		if err != nil || result.Record.Outcome != state.Succeeded {
			t.Fatalf("%+v, %v", result.Record, err)
		}
		var ran []string
		for _, s := range result.Record.Steps {
			if s.Outcome == state.Succeeded {
				ran = append(ran, s.Name)
			} else if s.Outcome != state.Skipped || !strings.HasPrefix(s.Error, "when: ") {
				t.Errorf("%+v", s)
			}
		}
		return strings.Join(ran, " ")
	}
	for _, tt := range []struct {
		own, told bool
		trigger   state.Trigger
		want      string
	}{
		{false, false, state.TriggerExec, "any exec"},
		{false, false, state.TriggerSignal, "any signal"},
		{false, false, state.TriggerStart, "any signal"},
		{false, false, state.TriggerHTTP, "any"},
		// In the main container, a stop signal may come from a restart.
		{false, true, state.TriggerSignal, "any signal"},
		{true, false, state.TriggerHTTP, "any"},
		{true, true, state.TriggerHTTP, "any end"},
		{true, true, state.TriggerSignal, "any signal end"},
	} {
		if got := outcomes(tt.own, tt.told, tt.trigger); got != tt.want {
			t.Errorf("%+v: ran %q", tt, got)
		}
	}
}
