package hooks

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/internal/testutil"
)

const reasoned = `hooks:
  prestart: {steps: [{exec: [sh, -c, 'echo "prestart:$PODHOOK_STOP_REASON" >>DIR/ran']}]}
  shutdown:
    steps:
    - {name: evicted, write: {file: DIR/evicted}, when: {reason: [preempted, evicted]}}
    - {name: liveness, write: {file: DIR/liveness}, when: {reason: [liveness, unknown]}}
    - {name: ends, write: {file: DIR/ends}, when: {podEnds: true}}
    - exec: [sh, -c, 'echo "shutdown:$PODHOOK_STOP_REASON" >>DIR/ran']
  poststop: {steps: [{exec: [sh, -c, 'echo "poststop:$PODHOOK_STOP_REASON" >>DIR/ran']}]}
`

// Steps run by the reason and have it. It is asked for once.
func TestStopReasonOfSteps(t *testing.T) {
	none := state.StopReason("")
	for name, c := range map[string]struct {
		answer, told state.StopReason // told by the caller of shutdown and poststop
		asked        int
		wrote        []string
		want         state.StopReason
	}{
		"evicted":          {state.StopEvicted, none, 1, []string{"evicted", "ends"}, state.StopEvicted},
		"deleted":          {state.StopDeleted, none, 1, []string{"ends"}, state.StopDeleted},
		"liveness":         {state.StopLiveness, none, 1, []string{"liveness"}, state.StopLiveness},
		"completed":        {state.StopCompleted, none, 1, nil, state.StopCompleted},
		"nobody to ask":    {none, none, 0, []string{"liveness"}, state.StopUnknown},
		"the caller knows": {state.StopEvicted, state.StopMainExited, 0, nil, state.StopMainExited},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			b := newBench(t, reasoned, func(o *Options) {
				if c.answer != none {
					o.StopReason = func(context.Context) state.StopReason {
						asked++
						return c.answer
					}
				}
			})
			for _, hook := range []string{"prestart", "shutdown", "poststop"} {
				rec := b.call(b.Runner, hook, Request{StopReason: c.told}, state.Succeeded, false).Record
				if want := c.want; hook != "prestart" && rec.StopReason != want || hook == "prestart" && rec.StopReason != "" {
					t.Errorf("%s: the record has %q", hook, rec.StopReason)
				}
			}
			if want := "prestart:\nshutdown:" + string(c.want) + "\npoststop:" + string(c.want) + "\n"; b.read("ran") != want {
				t.Errorf("got  %q\nwant %q", b.read("ran"), want)
			}
			for _, file := range []string{"evicted", "liveness", "ends"} {
				if b.exists(file) != slices.Contains(c.wrote, file) {
					t.Errorf("%s was run: %t", file, b.exists(file))
				}
			}
			if asked != c.asked {
				t.Errorf("asked %d times, want %d", asked, c.asked)
			}
		})
	}
}

// An answer that does not come delays no step that does without it, and all others
// together by a second.
func TestStopReasonThatDoesNotCome(t *testing.T) {
	b := newBench(t, `hooks:
  shutdown:
    steps:
    - {name: at-once, write: {file: DIR/a}}
    - exec: [sh, -c, 'echo "$PODHOOK_STOP_REASON" >>DIR/ran']
    - exec: [sh, -c, 'echo "$PODHOOK_STOP_REASON" >>DIR/ran']
`, func(o *Options) {
		o.StopReason = func(ctx context.Context) state.StopReason {
			<-ctx.Done()
			return state.StopUnknown
		}
	})
	began := time.Now()
	rec := b.call(b.Runner, "shutdown", Request{}, state.Succeeded, false).Record
	testutil.Within(t, time.Since(began), stopReasonTimeout, 10*time.Second)
	if b.read("ran") != "unknown\nunknown\n" || rec.StopReason != state.StopUnknown {
		t.Errorf("ran %q, %+v", b.read("ran"), rec)
	}
	if first, second := rec.Steps[0], rec.Steps[1]; second.End.Sub(*first.End) < stopReasonTimeout/2 || rec.Steps[2].End.Sub(*second.End) > stopReasonTimeout {
		t.Errorf("%+v", rec.Steps)
	}
}

// A plan asks nobody.
func TestPlanDoesNotAskForTheStopReason(t *testing.T) {
	b := newBench(t, reasoned, func(o *Options) {
		o.StopReason = func(context.Context) state.StopReason {
			t.Error("asked")
			return state.StopUnknown
		}
	})
	p, err := b.Preview("shutdown", Request{})
	if err != nil || !strings.Contains(p.Steps[0].Skipped, "not known yet, not preempted or evicted") {
		t.Errorf("%+v, %v", p, err)
	}
}
