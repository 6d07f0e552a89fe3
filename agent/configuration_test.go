package agent

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/internal/testutil"
)

// configMap is a directory as kubelet mounts a ConfigMap: files are links into
// ..data, which is a link to a directory of the update.
type configMap struct {
	t   *testing.T
	dir string
	n   int
}

func newConfigMap(t *testing.T, text string) *configMap {
	m := &configMap{t: t, dir: t.TempDir()}
	m.swap(text)
	if err := os.Symlink("..data/podhook.yaml", m.path()); err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *configMap) path() string { return filepath.Join(m.dir, "podhook.yaml") }

// swap puts an update in place as kubelet does: a new directory, a new link that
// is renamed over the old one, the old directory removed.
func (m *configMap) swap(text string) {
	m.t.Helper()
	m.n++
	update := filepath.Join(m.dir, "..2026_"+string(rune('a'+m.n)))
	data, temp := filepath.Join(m.dir, "..data"), filepath.Join(m.dir, "..data_tmp")
	old, _ := os.Readlink(data)
	err := errors.Join(os.Mkdir(update, 0o755), os.WriteFile(filepath.Join(update, "podhook.yaml"), []byte(text), 0o644),
		os.Symlink(filepath.Base(update), temp), os.Rename(temp, data))
	if old != "" {
		err = errors.Join(err, os.RemoveAll(filepath.Join(m.dir, old)))
	}
	if err != nil {
		m.t.Fatal(err)
	}
}

const (
	first  = "hooks: {shutdown: {paths: [/api/one], steps: [{exec: [sh, -c, 'echo first >>$DIR/ran']}]}}\n"
	second = "hooks: {shutdown: {paths: [/api/two], steps: [{exec: [sh, -c, 'echo second >>$DIR/ran']}]}}\n"
	broken = "hooks: {shutdown: {stepps: []}}\n"
)

// mounted is a world whose hooks are in a ConfigMap.
func mounted(t *testing.T) (*world, *configMap) {
	w := newWorld(t, "hooks: {}", trusted)
	m := newConfigMap(t, first)
	c, err := LoadConfiguration(config.Source{File: m.path()}, w.agent.Store, w.agent.Logger)
	if err != nil {
		t.Fatal(err)
	}
	w.agent.Configuration = c
	w.agent.Runner.Options.Config = c.Get
	w.listen(w.agent.server(w.agent.Handler()))
	return w, m
}

func TestConfigurationIsReadAgain(t *testing.T) {
	w, m := mounted(t)
	w.is("/api/one", 200)
	m.swap(second)
	w.is("/api/one", 404)
	w.is("/api/two?force=true", 200)
	if got := strings.Join(w.lines("ran"), " "); got != "first second" {
		t.Errorf("ran %s, want first second", got)
	}
	w.is("/livez", 200)
	if n := w.logs.count("level=INFO", "configuration read again", m.path()); n != 1 {
		t.Errorf("logged %d times that it was read again, want 1:\n%s", n, w.logs)
	}
}

func TestBrokenConfigurationIsRefused(t *testing.T) {
	w, m := mounted(t)
	if body := w.is("/metrics", 200); !strings.Contains(body, "podhook_config_last_reload_successful 1\n") || !strings.Contains(body, "podhook_config_refused_total 0\n") {
		t.Errorf("before:\n%s", body)
	}
	for i, text := range []string{broken, "not yaml: [", ""} {
		if text == "" {
			if err := os.Remove(m.path()); err != nil {
				t.Fatal(err)
			}
		} else {
			m.swap(text)
		}
		for range 3 { // is looked at again, but read and told once
			w.is("/api/one?force=true", 200)
		}
		if n := w.logs.count("level=ERROR", "configuration refused"); n != i+1 {
			t.Fatalf("refused %d times, want %d:\n%s", n, i+1, w.logs)
		}
	}
	if w.logs.count("level=ERROR", "stepps") != 1 || w.logs.count("level=ERROR", "the last good one stays in force", "source="+m.path()) != 3 {
		t.Errorf("the log does not say what is wrong:\n%s", w.logs)
	}
	if body := w.is("/metrics", 200); !strings.Contains(body, "podhook_config_last_reload_successful 0\n") || !strings.Contains(body, "podhook_config_refused_total 3\n") {
		t.Errorf("after:\n%s", body)
	}
	if body := w.is("/status", 200); !strings.Contains(body, `"refused":"`) || !strings.Contains(body, `"source":"`+m.path()+`"`) {
		t.Errorf("/status does not say it: %s", body)
	}
	if err := os.Symlink("..data/podhook.yaml", m.path()); err != nil {
		t.Fatal(err)
	}
	m.swap(second)
	w.is("/api/two?force=true", 200)
	if body := w.is("/status", 200); strings.Contains(body, `"refused"`) {
		t.Errorf("/status still says it: %s", body)
	}
	if body := w.is("/metrics", 200); !strings.Contains(body, "podhook_config_last_reload_successful 1\n") || !strings.Contains(body, "podhook_config_refused_total 3\n") {
		t.Errorf("at the end:\n%s", body)
	}
}

// A run keeps the configuration that it began with.
func TestRunKeepsItsConfiguration(t *testing.T) {
	w, m := mounted(t)
	m.swap(strings.ReplaceAll(waits, "}]}}}", "}, {exec: [sh, -c, 'echo old >>$DIR/ran']}]}}}"))
	done := make(chan reply)
	go func() {
		r, _ := w.do("GET", "/shutdown", "")
		done <- r
	}()
	testutil.Eventually(t, "the hook runs", func() bool { return len(w.lines("runs")) == 1 })
	m.swap(second)
	w.is("/api/one", 404)
	w.write(w.dir+"/go", "")
	if r := <-done; r.status != 200 || strings.Join(w.lines("ran"), " ") != "old" {
		t.Errorf("the run is answered %d and ran %v", r.status, w.lines("ran"))
	}
}

func TestStartRefusesWhatIsBroken(t *testing.T) {
	w := newWorld(t, first)
	w.write(w.config, broken)
	_, err := LoadConfiguration(w.source(), w.openStore(), w.agent.Logger)
	var all *config.Errors
	if !errors.As(err, &all) || !strings.Contains(err.Error(), "stepps") || !strings.Contains(err.Error(), w.config) {
		t.Errorf("a broken configuration at the start is %v", err)
	}
}

// An exec'd hook goes by the same rules as the agent while the file is broken.
func TestExecGoesByTheLastGoodConfiguration(t *testing.T) {
	w, m := mounted(t)
	source := config.Source{File: m.path(), Hook: config.Shutdown}
	m.swap(second)
	w.is("/api/two", 200)
	m.swap(broken)
	w.is("/api/two", 200)
	exec, err := LoadForExec(source, w.openStore(), w.agent.Logger)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := exec.Get()
	if err != nil || strings.Join(cfg.Hooks[config.Shutdown].Paths, " ") != "/api/two" {
		t.Errorf("the exec'd hook goes by %v, %v; want the second configuration", cfg, err)
	}
	if n, refused := exec.Refused(); refused == nil || !strings.Contains(refused.Error(), "stepps") || n != 1 {
		t.Errorf("Refused is %v, %d", refused, n)
	}
	m.swap(first)
	if exec, err = LoadForExec(source, w.openStore(), w.agent.Logger); err != nil {
		t.Fatal(err)
	}
	if _, refused := exec.Refused(); refused != nil {
		t.Errorf("a good configuration is refused: %v", refused)
	}
	// The agent reads the same hooks as the exec'd hook.
	w.is("/api/one", 200)
}

func TestExecWithoutALastGoodConfiguration(t *testing.T) {
	w := newWorld(t, "hooks: {}")
	bad := filepath.Join(w.dir, "bad.yaml")
	w.write(bad, broken)
	empty, err := state.Open(state.Options{Dir: filepath.Join(w.dir, "empty")})
	if err != nil {
		t.Fatal(err)
	}
	for name, store := range map[string]*state.Store{"no store": nil, "nothing kept": empty} {
		if _, err := LoadForExec(config.Source{File: bad}, store, w.agent.Logger); err == nil || !strings.Contains(err.Error(), "stepps") {
			t.Errorf("%s: the error is %v", name, err)
		}
	}
}
