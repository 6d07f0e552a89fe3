package hooks

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/internal/testutil"
)

// lines returns how many lines the file of the runs has.
func (b *bench) lines() int {
	b.t.Helper()
	text, err := os.ReadFile(b.path("state/hooks/demo/run.json"))
	if err != nil {
		b.t.Fatal(err)
	}
	return bytes.Count(text, []byte("\n"))
}

// The progress of a run is written no more often than every 50 ms. The success of a step
// with once is written before another step begins.
func TestProgressIsWrittenWhenSomebodyCanSeeIt(t *testing.T) {
	t.Run("a short run", func(t *testing.T) {
		b := newBench(t, hook(strings.Repeat("- remove: DIR/nothing\n", 100)))
		began := time.Now()
		b.run()
		if n, most := b.lines(), 2+int(time.Since(began)/showDelay); n > most {
			t.Errorf("%d lines of a run of %v, want at most %d", n, time.Since(began), most)
		}
	})
	t.Run("once", func(t *testing.T) {
		seen := `[sh, -c, "grep -a -c '\"outcome\":\"succeeded\"' DIR/state/hooks/demo/run.json >DIR/seen"]`
		for name, steps := range map[string]string{
			"hook":    "- {name: a, once: true, remove: DIR/nothing}\n- {exec: " + seen + "}\n",
			"scripts": "- {name: a, once: true, scripts: DIR/d}\n",
		} {
			b := newBench(t, hook(steps))
			if err := os.Mkdir(b.path("d"), 0o755); err != nil {
				t.Fatal(err)
			}
			for script, text := range map[string]string{"1": "true", "2": strings.TrimSuffix(strings.TrimPrefix(strings.ReplaceAll(seen, "DIR", b.dir), `[sh, -c, "`), `"]`)} {
				if err := os.WriteFile(b.path("d/"+script), []byte("#!/bin/sh\n"+strings.ReplaceAll(text, `\"`, `"`)+"\n"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			if rec := b.run(); rec.Outcome != state.Succeeded || b.read("seen") != "1\n" {
				t.Errorf("%s: %s, the second one finds %q", name, rec.Reason, b.read("seen"))
			}
		}
	})
	t.Run("a long step", func(t *testing.T) {
		b := newBench(t, hook("- remove: DIR/nothing\n- name: long\n  exec: [sh, -c, 'until [ -e DIR/go ]; do sleep 0.01; done']\n"))
		flight, _, err := b.Start("demo", Request{})
		if err != nil {
			t.Fatal(err)
		}
		testutil.Eventually(t, "another process sees the step", func() bool {
			rec, found, err := b.beside().Options.Store.Hook("demo").Read()
			return err == nil && found && rec.Steps[1].Outcome == state.Running
		})
		if err := os.WriteFile(b.path("go"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := flight.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		if n := b.lines(); n != 3 {
			t.Errorf("%d lines, want the begin, the step and the end", n)
		}
	})
}

// A crash of the machine leaves any part of any file. The next start runs its hooks anew,
// without an error.
func TestTornStateOfAnEarlierBoot(t *testing.T) {
	testutil.Slow(t)
	b := newBench(t, `hooks:
  demo: {steps: [{name: once, once: true, remove: DIR/nothing}]}
  shutdown: {steps: [{remove: DIR/nothing}]}
`)
	for range 2 {
		b.call(b.Runner, "demo", Request{Force: true}, state.Succeeded, false)
	}
	b.call(b.Runner, "shutdown", Request{}, state.Succeeded, false)
	store := b.Options.Store
	if err := errors.Join(store.SaveConfig([]byte("hooks: {}"), "file"), store.SaveMain(state.MainIdentity{PID: 123, StartTime: 456}), store.Hook("shutdown").Called()); err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	ours := regexp.MustCompile(store.Instance().ID)
	boot := regexp.MustCompile(store.Instance().Boot)
	err := filepath.WalkDir(b.path("state"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		files[path] = boot.ReplaceAll(ours.ReplaceAll(text, []byte("0123456789abcdef")), []byte("fedcba9876543210"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	restore := func() {
		t.Helper()
		if err := os.RemoveAll(b.path("state")); err != nil {
			t.Fatal(err)
		}
		for path, text := range files {
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, text, 0o600)); err != nil {
				t.Fatal(err)
			}
		}
	}
	tried := 0
	for path, text := range files {
		whole := len(bytes.TrimRight(text, "\x00"))
		for cut := 0; cut <= whole; cut++ {
			tried++
			for how, torn := range map[string][]byte{
				"cut": text[:cut], "zeros behind": append(text[:cut:cut], make([]byte, 100)...), "zeros within": append(make([]byte, cut), text[cut:]...),
			} {
				if how != "cut" && cut%29 != 0 {
					continue
				}
				what := fmt.Sprint(strings.TrimPrefix(path, b.dir), " ", how, " at ", cut)
				restore()
				if err := os.WriteFile(path, torn, 0o600); err != nil {
					t.Fatal(err)
				}
				next := b.beside()
				if _, _, ok, err := next.Options.Store.LastConfig(); ok || err != nil {
					t.Errorf("%s: configuration: %v, %v", what, ok, err)
				}
				if _, ok, err := next.Options.Store.Main(); ok || err != nil {
					t.Errorf("%s: main process: %v, %v", what, ok, err)
				}
				for _, name := range []string{"demo", "shutdown"} {
					h := next.Options.Store.Hook(name)
					if runs, err := h.History(); len(runs) != 0 || err != nil {
						t.Errorf("%s: history %+v, %v", what, runs, err)
					}
					result, err := next.Call(t.Context(), name, Request{})
					rec := result.Record
					if err != nil || result.Already || rec.Outcome != state.Succeeded || rec.Steps[0].Outcome != state.Succeeded || rec.Totals.Runs[state.Succeeded] != 1 {
						t.Fatalf("%s: hook %s: %+v, %v", what, name, result, err)
					}
					var out bytes.Buffer
					if err := h.ReadOutput(&out, state.AllLines); err != nil || strings.Count(out.String(), "was not there\n") != 1 || strings.Count(out.String(), "\n") != 1 {
						t.Errorf("%s: output %q, %v", what, out.String(), err)
					}
					if got, found, err := next.Options.Store.Hook(name).Read(); err != nil || !found || got.RunID != rec.RunID {
						t.Errorf("%s: %+v, %v", what, got, err)
					}
				}
			}
		}
	}
	t.Logf("%d states", tried)
}
