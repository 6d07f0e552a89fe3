package hooks

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/internal/testutil"
)

// The record of a run with the most scripts, the longest names, errors and outputs, and
// with bytes that JSON writes as six, is within the limit.
func TestRecordOfTheLongestRun(t *testing.T) {
	testutil.Slow(t)
	b := newBench(t, hook("- {name: "+strings.Repeat("s", 63)+", scripts: DIR/d, onFailure: continue}\n"))
	if err := os.Mkdir(b.dir+"/d", 0o755); err != nil {
		t.Fatal(err)
	}
	const scripts = 1000 // as hooks/config has it
	for i := range scripts {
		name := strings.Repeat("<", 250) + "-" + string([]byte{'0' + byte(i/100), '0' + byte(i/10%10), '0' + byte(i%10)})
		if err := os.Symlink("/bin/true", filepath.Join(b.dir, "d", name)); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := b.Options.Config()
	if err != nil {
		t.Fatal(err)
	}
	rec := state.Record{RunID: "r", Instance: b.Options.Store.Instance().ID, Outcome: state.Failed, Steps: records(plan(cfg.Hooks["demo"]), state.Record{})}
	if len(rec.Steps) != scripts {
		t.Fatalf("%d steps", len(rec.Steps))
	}
	for i := range rec.Steps {
		s := &rec.Steps[i]
		s.Outcome, s.Error = state.Failed, cutError(strings.Repeat("x", 100_000))
		for range 20 {
			s.AddTail(strings.Repeat("<", 1000))
		}
		boundTails(rec.Steps)
	}
	lock, ok, err := b.Options.Store.Hook("demo").TryLock()
	if err != nil || !ok {
		t.Fatal(err)
	}
	defer lock.Unlock()
	if err := lock.Write(rec); err != nil {
		t.Error(err)
	}
	if got, found, err := lock.Read(); err != nil || !found || len(got.Steps) != scripts {
		t.Errorf("%d steps are read, %v", len(got.Steps), err)
	}
}
