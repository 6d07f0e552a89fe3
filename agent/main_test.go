package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/podhook/podhook/agent/door"
	"github.com/podhook/podhook/agent/mainprocess"
	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/agent/show"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/process"
	"github.com/podhook/podhook/hooks/state"
)

// world is an agent with all that it works with: real hooks, a real state
// directory, a real listener.
type world struct {
	t      testing.TB
	dir    string // what its hooks may write to; $DIR in their scripts
	config string // the file that its hooks are in
	agent  *Agent
	reaper *process.Reaper
	logs   *logs
	url    string
}

type choice func(*world)

// withMain gives the agent a main process to look for.
func withMain(target string) choice {
	return func(w *world) {
		w.t.Helper()
		t, err := mainprocess.Parse(target)
		if err != nil {
			w.t.Fatal(err)
		}
		w.agent.Finder = mainprocess.NewFinder(t, nil)
	}
}

func set(f func(*settings.Settings)) choice {
	return func(w *world) { f(w.agent.Settings) }
}

// trusted sets a token, which do sends.
func trusted(w *world) { w.agent.Settings.Token = "the-token-of-this-test" }

// newWorld makes an agent with the hooks of a YAML text, which does not listen yet.
func newWorld(t testing.TB, yaml string, choices ...choice) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{t: t, dir: dir, config: filepath.Join(dir, "podhook.yaml"), logs: &logs{}}
	w.write(w.config, yaml)
	w.reaper = process.NewReaper()
	w.agent = &Agent{
		Settings: &settings.Settings{
			MaxConnections: 2000, KubeletFailure: settings.Abort, UnreadyOnShutdown: true,
			GracePeriod: 30 * time.Second, GraceMargin: 2 * time.Second,
		},
		Logger:  slog.New(slog.NewTextHandler(w.logs, nil)),
		Version: "v1.2.3",
	}
	for _, o := range choices {
		o(w)
	}
	w.agent.Store = w.openStore()
	var err error
	if w.agent.Access, err = NewAccess(w.agent.Settings, w.agent.Logger); err != nil {
		t.Fatal(err)
	}
	w.agent.Configuration, err = LoadConfiguration(w.source(), w.agent.Store, w.agent.Logger)
	if err != nil {
		t.Fatal(err)
	}
	life, end := context.WithCancel(context.Background())
	w.agent.Runner = w.newRunner(life)
	t.Cleanup(func() {
		end()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := w.agent.Runner.Wait(ctx); err != nil {
			t.Errorf("a run does not end with the agent's life: %v", err)
		}
		w.reaper.Close()
	})
	return w
}

func (w *world) source() config.Source { return config.Source{File: w.config} }

func (w *world) openStore() *state.Store {
	w.t.Helper()
	store, err := state.Open(state.Options{Dir: filepath.Join(w.dir, "state")})
	if err != nil {
		w.t.Fatal(err)
	}
	if w.agent.Finder != nil {
		store.LookAfter(w.agent.Finder.Identity)
	}
	return store
}

// newRunner is a Runner on the world's state, as another process of the container
// has one, but for its reaper.
func (w *world) newRunner(life context.Context) *hooks.Runner {
	o := hooks.Options{
		Config: w.agent.Configuration.Get, Store: w.openStore(), Reaper: w.reaper,
		Environ:  append(os.Environ(), "DIR="+w.dir),
		Grace:    hooks.Grace{Period: w.agent.Settings.GracePeriod, Margin: w.agent.Settings.GraceMargin},
		Disabled: w.agent.Settings.Disabled,
		Observer: show.Log{Logger: w.agent.Logger},
	}
	if w.agent.Finder != nil {
		o.Main = w.agent.Finder
	}
	return hooks.New(life, o)
}

// serving is newWorld with an agent that listens.
func serving(t testing.TB, yaml string, choices ...choice) *world {
	t.Helper()
	w := newWorld(t, yaml, choices...)
	w.listen(w.agent.server(w.agent.Handler()))
	return w
}

func (w *world) listen(server *http.Server) {
	w.t.Helper()
	l, err := door.Listen("127.0.0.1:0", int(w.agent.Settings.MaxConnections), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	w.url = "http://" + l.Addr().String()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(l)
	}()
	w.t.Cleanup(func() {
		_ = server.Close()
		<-ended
	})
}

func (w *world) write(path, text string) {
	w.t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// lines are those of a file of the hooks' directory; none where it is not there.
func (w *world) lines(name string) []string {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, name))
	if err != nil && !os.IsNotExist(err) {
		w.t.Fatal(err)
	}
	return strings.Fields(string(text))
}

// reply is an answer that has come whole.
type reply struct {
	status int
	header http.Header
	body   string
}

// run is the answer about a run.
func (r reply) run(t testing.TB) runAnswer {
	t.Helper()
	var a runAnswer
	if err := json.Unmarshal([]byte(r.body), &a); err != nil {
		t.Fatalf("%q is no answer about a run: %v", r.body, err)
	}
	return a
}

const kubelet = "kube-lifecycle/1.34"

// do sends a request on a connection of its own.
func (w *world) do(method, path, userAgent string) (reply, error) {
	req, err := http.NewRequest(method, w.url+path, nil)
	if err != nil {
		return reply{}, err
	}
	if token := w.agent.Settings.Token; token != "" {
		req.Header.Set("X-Podhook-Token", string(token))
	}
	if userAgent != "" {
		req.Header.Set("User-Agent", userAgent)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 60 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(body)}, err
}

func (w *world) get(path string) reply {
	w.t.Helper()
	r, err := w.do("GET", path, "")
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// is checks the status of a GET and returns its body.
func (w *world) is(path string, status int) string {
	w.t.Helper()
	r := w.get(path)
	if r.status != status {
		w.t.Errorf("GET %s is %d %s, want %d", path, r.status, r.body, status)
	}
	return r.body
}

// logs is a log that may be read while it is written.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// count is how many entries contain all words.
func (l *logs) count(words ...string) (n int) {
	for line := range strings.Lines(l.String()) {
		all := true
		for _, word := range words {
			all = all && strings.Contains(line, word)
		}
		if all {
			n++
		}
	}
	return n
}
