package hooks

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/podhook/podhook/hooks/state"
)

const marked = `hooks:
  own: {steps: [{exec: [sh, -c, "test ! -e DIR/state/hooks/own/marker && test ! -e DIR/bad"]}]}
  given: {marker: DIR/given, steps: [{exec: [sh, -c, "test ! -e DIR/given && test ! -e DIR/bad"]}]}
`

// markers holds the paths of the markers of the hooks in marked.
var markers = map[string]string{"own": "state/hooks/own/marker", "given": "given"}

// Every hook has a marker, which exists exactly while the hook counts as succeeded.
func TestMarker(t *testing.T) {
	b := newBench(t, marked)
	for name, path := range markers {
		for range 2 {
			rec := b.call(b.Runner, name, Request{Force: true}, state.Succeeded, false).Record
			if text := b.read(path); !strings.HasPrefix(text, name+" "+rec.RunID+" ") || !strings.HasSuffix(text, "\n") {
				t.Errorf("%s: marker %q of run %s", name, text, rec.RunID)
			}
		}
		// A process may be killed between the record and the marker.
		if err := os.Remove(b.path(path)); err != nil {
			t.Fatal(err)
		}
		rec := b.call(b.beside(), name, Request{}, state.Succeeded, true).Record
		if text := b.read(path); !strings.HasPrefix(text, name+" "+rec.RunID+" ") {
			t.Errorf("%s: marker %q after a call of run %s", name, text, rec.RunID)
		}
	}
	b.script("bad", "")
	for name, path := range markers {
		b.call(b.Runner, name, Request{Force: true}, state.Failed, false)
		if b.exists(path) {
			t.Errorf("%s: marked though it failed", name)
		}
	}
}

// A hook whose marker cannot be written fails: other containers wait for the marker.
func TestMarkerThatCannotBeWritten(t *testing.T) {
	b := newBench(t, `hooks:
  demo: {marker: DIR/a/marker, steps: [{exec: [mkdir, DIR/a/marker]}]}
`)
	if err := os.Mkdir(b.path("a"), 0o755); err != nil {
		t.Fatal(err)
	}
	rec := b.call(b.Runner, "demo", Request{}, state.Failed, false).Record
	contains(t, rec.Reason, "marker: ", b.path("a/marker"))
	kept, found, err := b.beside().Options.Store.Hook("demo").Read()
	if err != nil || !found || kept.Outcome != state.Failed || kept.Reason != rec.Reason || kept.Totals.Runs[state.Failed] != 1 || kept.Totals.Runs[state.Succeeded] != 0 {
		t.Errorf("recorded: %+v, %v", kept, err)
	}
}

// A start removes the markers that are not of a success in this instance.
func TestMarkersAtAStart(t *testing.T) {
	for name, c := range map[string]struct {
		outcome state.Outcome // of the hook's record; "" for none
		busy    bool
		want    bool
	}{
		"of an earlier instance":     {"", false, false},
		"of a failed run":            {state.Failed, false, false},
		"of a run that timed out":    {state.TimedOut, false, false},
		"of an interrupted run":      {state.Running, false, false},
		"of a success":               {state.Succeeded, false, true},
		"of a run that goes on":      {state.Running, true, true},
		"of one that has only begun": {"", true, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, marked)
			for hook, path := range markers {
				lock, ok, err := b.Options.Store.Hook(hook).TryLock()
				if err != nil || !ok {
					t.Fatal(ok, err)
				}
				if c.outcome != "" {
					err = lock.Write(state.Record{RunID: "r1", Outcome: c.outcome})
				}
				if err := errors.Join(err, os.WriteFile(b.path(path), nil, 0o644)); err != nil {
					t.Fatal(err)
				}
				if c.busy {
					defer lock.Unlock()
				} else if err := lock.Unlock(); err != nil {
					t.Fatal(err)
				}
			}
			b.Prepare(b.cfg)
			for hook, path := range markers {
				if _, err := os.Stat(b.path(path)); errors.Is(err, fs.ErrNotExist) == c.want {
					t.Errorf("the marker of %s: %v, want it kept %v", hook, err, c.want)
				}
			}
			if !b.Options.Store.Hook("shutdown").Reserved() {
				t.Error("no space is kept for shutdown")
			}
		})
	}
}
