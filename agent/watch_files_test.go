package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/internal/testutil"
)

// watching is an agent in Serve with a hook reload that watches the directory watched. Each
// run writes what it finds there, waits while there is a file hold, and fails if there is a
// file bad. The hook has succeeded once.
func watching(t *testing.T, more string, choices ...choice) *served {
	t.Helper()
	dir := t.TempDir()
	w := place{t, filepath.Join(dir, "watched")}
	w.put("f", "0")
	s := serve(t, reloadOf(w.dir, more), choices...)
	s.watches(w.dir)
	return s
}

func reloadOf(dir, more string) string {
	return `
hooks:
  reload:
    watch: [` + dir + `]
    debounce: 20ms
    steps:
    - exec: [sh, -c, 'echo $PODHOOK_TRIGGER-$(cat ` + dir + `/f) >>$DIR/runs; while [ -e $DIR/hold ]; do sleep 0.02; done; [ ! -e $DIR/bad ]']
    - exec: [sh, -c, 'echo $PODHOOK_TRIGGER-$(cat ` + dir + `/f) >>$DIR/reloads']
` + more
}

// place is a directory that is watched.
type place struct {
	t   testing.TB
	dir string
}

func (p place) put(name, text string) {
	p.t.Helper()
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// watchedDir is the directory that the hook reload watches.
func (s *served) watchedDir() string {
	cfg, err := s.agent.Configuration.Get()
	if err != nil {
		s.t.Fatal(err)
	}
	return cfg.Hooks["reload"].Watch[0]
}

// change replaces the file as a whole, so that no run reads it while it is empty.
func (s *served) change(text string) {
	s.t.Helper()
	aside := place{s.t, s.t.TempDir()}
	aside.put("f", text)
	if err := os.Rename(filepath.Join(aside.dir, "f"), filepath.Join(s.watchedDir(), "f")); err != nil {
		s.t.Fatal(err)
	}
}

// watches waits until the hook watches a directory.
func (s *served) watches(dir string) {
	s.t.Helper()
	testutil.Eventually(s.t, "it watches "+dir, func() bool { return s.logs.count("watches files", "["+dir+"]") == 1 })
}

// watches is how many inotify watches this process has of a directory.
func watches(dir string) (n int) {
	var info unix.Stat_t
	if unix.Stat(dir, &info) != nil {
		return 0
	}
	files, _ := filepath.Glob("/proc/self/fdinfo/*")
	for _, file := range files {
		text, _ := os.ReadFile(file) // a descriptor can be closed meanwhile
		n += strings.Count(string(text), fmt.Sprintf(" ino:%x ", info.Ino))
	}
	return n
}

// runs waits until the hook has run for these reasons, and for nothing else.
func (s *served) ran(name string, want ...string) {
	s.t.Helper()
	testutil.Eventually(s.t, fmt.Sprint(name, " are ", want), func() bool { return len(s.lines(name)) >= len(want) })
	if got := s.lines(name); fmt.Sprint(got) != fmt.Sprint(want) {
		s.t.Fatalf("%s are %v, want %v\n%s", name, got, want, s.logs)
	}
}

// settles waits until no run is in progress.
func (s *served) settles() {
	s.t.Helper()
	testutil.Eventually(s.t, "no run goes on", func() bool {
		_, _, flies := s.agent.Runner.Flying("reload")
		return !flies
	})
}

func (s *served) reload() state.Record {
	s.t.Helper()
	rec, _, err := s.openStore().Hook("reload").Read()
	if err != nil {
		s.t.Fatal(err)
	}
	return rec
}

// Each change runs the hook again, though it has succeeded; a call by hand has the outcome.
func TestWatchRunsAgain(t *testing.T) {
	s := watching(t, "")
	for i := range 3 {
		s.change(fmt.Sprint(i + 1))
		s.ran("reloads", []string{"watch-1", "watch-2", "watch-3"}[:i+1]...)
	}
	s.settles()
	if a := s.get("/hooks/reload").run(t); a.Outcome != state.Succeeded || !a.Already || a.Trigger != state.TriggerWatch {
		t.Errorf("a call is answered %+v", a)
	}
	if text := s.is("/metrics", 200); !strings.Contains(text, `podhook_runs_total{hook="reload",outcome="succeeded"} 3`) {
		t.Errorf("the metrics do not count the runs:\n%s", text)
	}
}

// Changes during a run are one more run, after it.
func TestWatchDuringARun(t *testing.T) {
	s := watching(t, "")
	s.write(filepath.Join(s.dir, "hold"), "")
	s.change("1")
	s.ran("runs", "watch-1")
	s.change("2")
	s.change("3")
	s.remains("runs", "watch-1")
	s.release()
	s.ran("reloads", "watch-3", "watch-3") // the first one writes when it goes on
	s.remains("runs", "watch-1", "watch-3")
}

// remains checks that nothing is added for some times debounce.
func (s *served) remains(name string, want ...string) {
	s.t.Helper()
	deadline := time.Now().Add(300 * time.Millisecond)
	for time.Now().Before(deadline) {
		s.ran(name, want...)
		time.Sleep(20 * time.Millisecond)
	}
}

func (s *served) release() {
	s.t.Helper()
	if err := os.Remove(filepath.Join(s.dir, "hold")); err != nil {
		s.t.Fatal(err)
	}
}

// A call by hand that is in progress may have read the old files: the hook runs once more.
func TestWatchDuringACall(t *testing.T) {
	s := watching(t, "")
	s.write(filepath.Join(s.dir, "hold"), "")
	flight, _, err := s.agent.Runner.Start("reload", hooks.Request{Trigger: state.TriggerExec})
	if err != nil {
		t.Fatal(err)
	}
	s.ran("runs", "exec-0")
	s.change("1")
	s.remains("runs", "exec-0")
	s.release()
	if _, err := flight.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.ran("runs", "exec-0", "watch-1")
	s.remains("runs", "exec-0", "watch-1")
}

// After a failure nothing is repeated until the next change.
func TestWatchFails(t *testing.T) {
	s := watching(t, "")
	bad := filepath.Join(s.dir, "bad")
	s.write(bad, "")
	s.change("1")
	s.ran("runs", "watch-1")
	s.settles()
	if rec := s.reload(); rec.Outcome != state.Failed || rec.Trigger != state.TriggerWatch {
		t.Errorf("the record is %+v", rec)
	}
	if s.logs.count("hook ended", "outcome=failed", "hook=reload") != 1 {
		t.Errorf("the log does not say so:\n%s", s.logs)
	}
	if err := os.Remove(bad); err != nil {
		t.Fatal(err)
	}
	s.remains("runs", "watch-1")
	s.change("2")
	s.ran("reloads", "watch-2")
}

// The stop signal ends a run, and what changes later runs nothing.
func TestWatchEndsAtTheStop(t *testing.T) {
	s := watching(t, `
  shutdown:
    steps:
    - exec: [sh, -c, 'echo shutdown >>$DIR/stop; while [ -e $DIR/hold ]; do sleep 0.02; done']
`, patient)
	s.write(filepath.Join(s.dir, "hold"), "")
	s.change("1")
	s.ran("runs", "watch-1")
	s.stop()
	s.ran("stop", "shutdown")
	testutil.Eventually(t, "the run is interrupted", func() bool { return s.reload().Outcome == state.Interrupted })
	s.change("2")
	s.remains("runs", "watch-1")
	s.release()
}

// A shutdown that was called is the begin of the stop.
func TestWatchEndsWithShutdown(t *testing.T) {
	s := watching(t, "  shutdown: {steps: [{sleep: 1ms}]}\n")
	s.is("/shutdown", 200)
	s.change("1")
	s.remains("runs")
}

// What is watched follows the configuration, whose own file is watched too.
func TestWatchFollowsTheConfiguration(t *testing.T) {
	s := watching(t, "")
	before := s.watchedDir()
	other := place{t, filepath.Join(t.TempDir(), "other")}
	other.put("f", "0")
	s.write(s.config, reloadOf(other.dir, ""))
	s.watches(other.dir)
	testutil.Eventually(t, "it does not watch the first one", func() bool { return watches(before) == 0 })
	place{t, before}.put("f", "1")
	s.remains("runs")
	other.put("f", "2")
	s.ran("reloads", "watch-2")
	s.settles()
	s.write(s.config, "hooks: {reload: {steps: []}}")
	testutil.Eventually(t, "it watches nothing", func() bool { return watches(other.dir) == 0 })
	again := place{t, filepath.Join(t.TempDir(), "again")}
	again.put("f", "0")
	s.write(s.config, reloadOf(again.dir, "")) // nobody watches the file any more: a call reads it
	testutil.Eventually(t, "a call reads the file", func() bool {
		s.is("/hooks/reload", 200)
		return s.logs.count("watches files", "["+again.dir+"]") == 1
	})
	again.put("f", "1")
	testutil.Eventually(t, "the hook runs", func() bool { return s.reload().Trigger == state.TriggerWatch })
}

func TestWatchWhereDisabled(t *testing.T) {
	w := newWorld(t, reloadOf(t.TempDir(), ""), set(func(s *settings.Settings) { s.Disabled = true }))
	<-w.agent.WatchFiles(t.Context())
	if n := watches(w.dir); n != 0 {
		t.Errorf("a disabled podhook has %d watches", n)
	}
}
