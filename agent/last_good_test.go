package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/config"
)

// A file that is written in place again and again, in pieces that are YAML each, is
// never seen in part: every call drains, and nothing is refused.
func TestConfigurationThatIsRewrittenInPlace(t *testing.T) {
	w := newWorld(t, "hooks: {}", trusted)
	pieces := []string{"hooks:\n", "  shutdown:\n    steps:\n    - {name: log, exec: [\"true\"]}\n", "    - {name: drain, exec: [sh, -c, 'echo x >>$DIR/ran']}\n", "  other: {}\n"}
	w.write(w.config, strings.Join(pieces, ""))
	c, err := LoadConfiguration(w.source(), w.agent.Store, w.agent.Logger)
	if err != nil {
		t.Fatal(err)
	}
	w.agent.Configuration = c
	w.agent.Runner.Options.Config = c.Get
	w.listen(w.agent.server(w.agent.Handler()))

	stop := make(chan struct{})
	var writer sync.WaitGroup
	var stalled atomic.Bool // the writer paused for so long that nobody could tell it from one that is done
	writer.Go(func() {
		for {
			began := time.Now()
			f, err := os.OpenFile(w.config, os.O_WRONLY|os.O_TRUNC, 0)
			if err != nil {
				t.Error(err)
				return
			}
			for _, piece := range pieces {
				time.Sleep(time.Millisecond)
				f.WriteString(piece)
			}
			f.Close()
			if time.Since(began) > 45*time.Millisecond {
				stalled.Store(true)
			}
			select {
			case <-stop:
				return
			case <-time.After(60 * time.Millisecond):
			}
		}
	})
	const calls = 40
	var wrong []string
	for i := range calls {
		if i%2 == 0 { // by exec, which reads everything anew
			exec, err := LoadForExec(config.Source{File: w.config, Hook: config.Shutdown}, w.agent.Store, w.agent.Logger)
			if err != nil {
				t.Error(err)
				continue
			}
			cfg, _ := exec.Get()
			if _, refused := exec.Refused(); len(cfg.Hooks[config.Shutdown].Steps) != 2 || refused != nil {
				wrong = append(wrong, fmt.Sprintf("an exec'd hook goes by %d steps, refused is %v", len(cfg.Hooks[config.Shutdown].Steps), refused))
			}
			continue
		}
		w.is("/shutdown?force=true", 200)
	}
	close(stop)
	writer.Wait()
	if got := len(w.lines("ran")); got != calls/2 {
		wrong = append(wrong, fmt.Sprintf("%d of %d calls drained", got, calls/2))
	}
	if n, refused := c.Refused(); n != 0 || refused != nil {
		wrong = append(wrong, fmt.Sprintf("refused %d times: %v", n, refused))
	}
	if len(wrong) > 0 && stalled.Load() {
		t.Skipf("the machine stood still while the file was written: %q", wrong)
	}
	for _, what := range wrong {
		t.Error(what)
	}
}

// directories is a world whose hooks are the scripts of directories.
func directories(t *testing.T) (w *world, add func(name, text string)) {
	w = newWorld(t, "hooks: {}", trusted)
	dir := filepath.Join(w.dir, "etc")
	add = func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	add("prestart.d/10-a", "#!/bin/sh\n")
	add("shutdown.d/10-log", ran("log"))
	add("shutdown.d/20-drain", ran("drain"))
	c, err := LoadConfiguration(config.Source{Dir: dir}, w.agent.Store, w.agent.Logger)
	if err != nil {
		t.Fatal(err)
	}
	w.agent.Configuration = c
	w.agent.Runner.Options.Config = c.Get
	w.listen(w.agent.server(w.agent.Handler()))
	return w, add
}

func ran(what string) string { return fmt.Sprintf("#!/bin/sh\necho %s >>$DIR/ran\n", what) }

// One bad script does not cost the drain: those that were last good are run, and the bad
// one is reported where a broken file is.
func TestBadScriptIsRefused(t *testing.T) {
	w, add := directories(t)
	bad := filepath.Join(w.dir, "etc", "shutdown.d", "15-bad")
	add("shutdown.d/15-bad", "no interpreter\n")
	for range 2 {
		w.is("/shutdown?force=true", 200)
	}
	if got := strings.Join(w.lines("ran"), " "); got != "log drain log drain" {
		t.Errorf("ran %s", got)
	}
	if n := w.logs.count("level=ERROR", "configuration refused", bad); n != 1 {
		t.Errorf("reported %d times in the log:\n%s", n, w.logs)
	}
	if body := w.is("/status", 200); !strings.Contains(body, `"refused":"`+bad) {
		t.Errorf("/status does not say it: %s", body)
	}
	if body := w.is("/metrics", 200); !strings.Contains(body, "podhook_config_last_reload_successful 0\n") || !strings.Contains(body, "podhook_config_refused_total 1\n") {
		t.Errorf("/metrics does not say it: %s", body)
	}
	// For an exec'd hook too.
	source := config.Source{Dir: filepath.Join(w.dir, "etc"), Hook: config.Shutdown}
	exec, err := LoadForExec(source, w.openStore(), w.agent.Logger)
	if err != nil {
		t.Fatal(err)
	}
	cfg, _ := exec.Get()
	scripts := cfg.Hooks[config.Shutdown].Scripts(config.Scripts{Dir: filepath.Dir(bad)})
	if _, refused := exec.Refused(); len(scripts) != 2 || refused == nil || !strings.Contains(refused.Error(), bad) {
		t.Errorf("an exec'd hook runs %v, refused is %v", scripts, refused)
	}

	// What was good and is not any more fails the hook, after the others.
	add("shutdown.d/10-log", "")
	w.is("/shutdown?force=true", 500)
	if got := w.lines("ran"); len(got) != 5 || got[4] != "drain" {
		t.Errorf("ran %v", got)
	}
	if body := w.is("/status", 200); !strings.Contains(body, "10-log: an empty file") {
		t.Errorf("/status does not say it: %s", body)
	}
	add("shutdown.d/10-log", ran("log"))
	add("shutdown.d/15-bad", ran("mended"))
	w.is("/shutdown?force=true", 200)
	if got := strings.Join(w.lines("ran")[5:], " "); got != "log mended drain" {
		t.Errorf("ran %s", got)
	}
	if body := w.is("/status", 200); strings.Contains(body, `"refused"`) {
		t.Errorf("/status still says it: %s", body)
	}
}

// A directory that was removed or emptied must not look like a successful drain.
func TestDirectoryThatHasGone(t *testing.T) {
	for _, change := range []string{"removed", "emptied", "renamed"} {
		w, _ := directories(t)
		dir := filepath.Join(w.dir, "etc", "shutdown.d")
		switch change {
		case "removed":
			os.RemoveAll(dir)
		case "emptied":
			os.Remove(filepath.Join(dir, "10-log"))
			os.Remove(filepath.Join(dir, "20-drain"))
		case "renamed":
			os.Rename(filepath.Dir(dir), filepath.Dir(dir)+"-old")
		}
		w.is("/shutdown", 500)
		if body := w.is("/status", 200); !strings.Contains(body, `"refused"`) || !strings.Contains(body, "10-log: does not exist any more") {
			t.Errorf("%s: /status does not say it: %s", change, body)
		}
	}
}
