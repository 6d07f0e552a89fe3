package hooks

import (
	"strings"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/state"
)

const owing = `
- {name: drain, exec: [sh, -c, 'echo drain >>DIR/ran']}
- {name: end, exec: [sh, -c, 'echo end >>DIR/ran'], when: {podEnds: true}}
- {name: http, exec: [sh, -c, 'echo http >>DIR/ran'], when: {trigger: [http]}}
- {name: signal, exec: [sh, -c, 'echo signal >>DIR/ran'], when: {trigger: [signal]}}
- name: both
  parallel: [{name: a, exec: [sh, -c, 'echo a >>DIR/ran']}]
  when: {podEnds: true, trigger: [http]}
- {name: failing, exec: ["false"], onFailure: ignore}
`

// called calls the hook demo and returns what it has run.
func (b *bench) called(trigger state.Trigger) (result Result, ran string) {
	b.t.Helper()
	before := ""
	if b.exists("ran") {
		before = b.read("ran")
	}
	result, err := b.Call(b.t.Context(), "demo", Request{Trigger: trigger})
	if err != nil || !b.exists("ran") {
		b.t.Fatal(result, err)
	}
	return result, strings.Join(strings.Fields(strings.TrimPrefix(b.read("ran"), before)), " ")
}

// A step that was skipped because the end of the pod was not known is run when it is known:
// once, and without the other steps.
func TestOwedStepsAreRunWhenThePodEnds(t *testing.T) {
	b := newBench(t, hook(owing), func(o *Options) { o.OwnContainer = true })
	first, ran := b.called(state.TriggerHTTP)
	if ran != "drain http" {
		t.Fatalf("ran %q", ran)
	}
	if again, ran := b.called(state.TriggerSignal); !again.Already || ran != "" {
		t.Errorf("before the end is known: %+v, ran %q", again, ran)
	}
	b.BeginGrace(time.Now())
	paid, ran := b.called(state.TriggerSignal)
	if paid.Already || paid.Record.Outcome != state.Succeeded || ran != "end a" {
		t.Errorf("%+v, ran %q, want end and a", paid, ran)
	}
	for _, s := range paid.Record.Steps {
		done := s.Name == "end" || s.Name == "both/a"
		if s.Owed || done != (s.Outcome == state.Succeeded) {
			t.Errorf("%+v", s)
		}
		if !done && (s.Outcome != state.Skipped || !strings.Contains(s.Error, first.Record.RunID)) {
			t.Errorf("%+v, want that it says in which run it had its turn", s)
		}
	}
	if again, ran := b.called(state.TriggerSignal); !again.Already || ran != "" {
		t.Errorf("paid twice: %+v, ran %q", again, ran)
	}
}

// If podhook never knows that the pod ends, no owed step runs.
func TestOwedStepsOfAnotherContainerStaySkipped(t *testing.T) {
	b := newBench(t, hook(owing))
	b.called(state.TriggerHTTP)
	b.BeginGrace(time.Now())
	if again, ran := b.called(state.TriggerSignal); !again.Already || ran != "" {
		t.Errorf("%+v, ran %q", again, ran)
	}
}

// An owed step that fails makes the hook fail.
func TestOwedStepThatFails(t *testing.T) {
	b := newBench(t, hook("- {name: drain, exec: [\"true\"]}\n- {name: end, exec: [\"false\"], when: {podEnds: true}}\n"),
		func(o *Options) { o.OwnContainer = true })
	b.expect(state.Succeeded, "drain succeeded", "end skipped")
	b.BeginGrace(time.Now())
	b.expect(state.Failed, "drain skipped", "end failed")
}
