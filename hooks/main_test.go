package hooks

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/process"
	"github.com/podhook/podhook/hooks/state"
)

// reaper is the only one of this process: two would reap each other's children.
var reaper *process.Reaper

func TestMain(m *testing.M) {
	reaper = process.NewReaper()
	code := m.Run()
	reaper.Close()
	os.Exit(code)
}

// bench runs hooks with real programs, files and a state directory.
type bench struct {
	*Runner
	t   *testing.T
	dir string
	cfg *config.Config
	out output
}

// output collects what the steps print.
type output struct {
	nobody
	mu    sync.Mutex
	lines []string
}

func (o *output) Line(l Line) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lines = append(o.lines, l.Step+": "+l.String())
}

func (o *output) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(o.lines, "\n")
}

// newBench takes the hooks as YAML. DIR in it is replaced by a directory of the test.
func newBench(t *testing.T, yaml string, change ...func(*Options)) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir()}
	var err error
	text := strings.ReplaceAll(yaml, "DIR", b.dir)
	b.cfg, err = config.Parse("test.yaml", []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	store, err := state.Open(state.Options{Dir: filepath.Join(b.dir, "state")})
	if err != nil {
		t.Fatal(err)
	}
	life, cancel := context.WithCancel(context.Background())
	o := Options{
		// With Hook, bad scripts and users are warnings, so that the run finds them.
		Config:   func() (*config.Config, error) { return config.Load(config.Source{Text: text, Hook: "another"}) },
		Store:    store,
		Reaper:   reaper,
		Environ:  os.Environ(),
		Observer: &b.out,
	}
	for _, f := range change {
		f(&o)
	}
	b.Runner = New(life, o)
	t.Cleanup(func() {
		cancel()
		_ = b.Wait(context.Background())
	})
	return b
}

// hook puts steps, given as YAML, into a hook called demo.
func hook(steps string, fields ...string) string {
	text := "hooks:\n  demo:\n"
	for _, f := range fields {
		text += "    " + f + "\n"
	}
	return text + "    steps:\n" + indent(steps)
}

func indent(text string) string {
	var out strings.Builder
	for line := range strings.Lines(strings.TrimLeft(text, "\n")) {
		out.WriteString("    " + line)
	}
	return out.String()
}

// run runs the hook demo to its end.
func (b *bench) run() state.Record {
	b.t.Helper()
	result, err := b.Call(b.t.Context(), "demo", Request{Trigger: state.TriggerExec})
	if err != nil {
		b.t.Fatal(err)
	}
	return result.Record
}

// expect runs the hook demo and compares the outcomes of all its steps.
func (b *bench) expect(outcome state.Outcome, steps ...string) state.Record {
	b.t.Helper()
	rec := b.run()
	var got []string
	for _, s := range rec.Steps {
		got = append(got, s.Name+" "+string(s.Outcome))
	}
	if rec.Outcome != outcome || strings.Join(got, ", ") != strings.Join(steps, ", ") {
		b.t.Fatalf("got %s: %s\nreason: %s\nwant %s: %s\noutput:\n%s", rec.Outcome, strings.Join(got, ", "), rec.Reason,
			outcome, strings.Join(steps, ", "), b.out.text())
	}
	return rec
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

func (b *bench) read(name string) string {
	b.t.Helper()
	text, err := os.ReadFile(b.path(name))
	if err != nil {
		b.t.Fatal(err)
	}
	return string(text)
}

func (b *bench) exists(name string) bool {
	_, err := os.Stat(b.path(name))
	return err == nil
}

func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in\n%s", part, text)
		}
	}
}
