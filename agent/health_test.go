package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/podhook/podhook/agent/mainprocess"
	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/internal/testutil"
)

// gated has a prestart that fails until the file ok is there, and a shutdown that
// waits for the file go.
const gated = `
hooks:
  prestart: {steps: [{exec: [sh, -c, 'test -e $DIR/ok']}]}
  shutdown: {steps: [{exec: [sh, -c, 'echo run >>$DIR/runs; until [ -e $DIR/go ]; do sleep 0.02; done']}]}
`

func (w *world) ready(ready bool, why string) {
	w.t.Helper()
	status := 503
	if ready {
		status = 200
	}
	if body := w.is("/readyz", status); !strings.Contains(body, why) {
		w.t.Errorf("/readyz says %q, want %q", body, why)
	}
}

func TestReadyFromPrestartToShutdown(t *testing.T) {
	w := serving(t, gated)
	w.ready(false, "prestart has not run")
	w.is("/prestart", 500)
	w.ready(false, "prestart: failed")
	w.write(w.dir+"/ok", "")
	w.is("/prestart", 200)
	w.ready(true, "ready")
	w.is("/shutdown?wait=false", 202)
	testutil.Eventually(t, "the shutdown runs", func() bool { return len(w.lines("runs")) == 1 })
	w.ready(false, "shutdown: running")
	w.is("/livez", 200)
	w.write(w.dir+"/go", "")
	w.is("/shutdown", 200)
	w.ready(false, "shutdown: succeeded")
	w.is("/livez", 200)
}

func TestReadyWithoutPrestart(t *testing.T) {
	w := serving(t, "hooks: {}")
	w.ready(true, "ready")
	w.is("/shutdown", 200)
	w.ready(false, "shutdown: succeeded")
}

// Before the start nothing serves, and kubelet would end a container whose CMD never ran.
func TestReadyWhileTheChildRuns(t *testing.T) {
	child := mainprocess.NewChild()
	w := serving(t, "hooks: {}", func(w *world) { w.agent.Child = child })
	w.ready(false, "the main process has not been started")
	start := func() (int, error) { return os.Getpid(), nil }
	if _, err := child.Start(start, func(syscall.Signal) error { return nil }); err != nil {
		t.Fatal(err)
	}
	w.ready(true, "ready")
	child.Exited()
	w.ready(false, "the main process has exited")
	w.is("/livez", 200)
}

func TestReadyAlsoWhileShuttingDown(t *testing.T) {
	w := serving(t, "hooks: {}", set(func(s *settings.Settings) { s.UnreadyOnShutdown = false }))
	w.is("/shutdown", 200)
	w.ready(true, "ready")
}

// What another process of the container has run counts.
func TestReadyByAnotherProcess(t *testing.T) {
	w := serving(t, gated)
	w.write(w.dir+"/ok", "")
	other := w.newRunner(context.Background())
	if _, err := other.Call(context.Background(), config.Prestart, hooks.Request{Trigger: state.TriggerExec}); err != nil {
		t.Fatal(err)
	}
	w.ready(true, "ready")
}

// mainProcess starts a program that the pidfile names from then on.
func (w *world) mainProcess(pidfile string) (pid int, exited <-chan syscall.WaitStatus) {
	w.t.Helper()
	pid, exited, err := w.reaper.Start(func() (int, error) {
		return syscall.ForkExec("/bin/sleep", []string{"sleep", "60"}, &syscall.ProcAttr{})
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		select {
		case <-exited:
		default:
			_ = syscall.Kill(pid, syscall.SIGKILL) // not reaped yet: the number is its own
		}
	})
	temp := pidfile + ".tmp"
	w.write(temp, fmt.Sprintln(pid))
	if err := os.Rename(temp, pidfile); err != nil {
		w.t.Fatal(err)
	}
	return pid, exited
}

// In a sidecar only the main container may restart (Contour #4851: draining for
// ever; envoyproxy/gateway #5832).
func TestReadyAgainWithAnotherMainProcess(t *testing.T) {
	pidfile := filepath.Join(t.TempDir(), "main.pid")
	w := serving(t, `{hooks: {shutdown: {steps: [{signal: TERM}]}}}`, withMain("pidfile:"+pidfile))
	first, exited := w.mainProcess(pidfile)
	w.ready(true, "ready")
	w.is("/shutdown", 200)
	<-exited
	w.ready(false, "shutdown: succeeded")
	second, exited := w.mainProcess(pidfile)
	w.ready(true, "ready")
	var st Status
	if err := json.Unmarshal([]byte(w.is("/status", 200)), &st); err != nil || st.Main == nil || st.Main.PID != second || st.Main.Name != "sleep" {
		t.Errorf("/status says %+v, %v; want the main process %d after %d", st.Main, err, second, first)
	}
	if a := w.get("/shutdown").run(t); a.Already || a.Outcome != state.Succeeded {
		t.Errorf("the second main process's shutdown is answered %+v", a)
	}
	<-exited
	w.ready(false, "shutdown: succeeded")
	if body := w.is("/metrics", 200); !strings.Contains(body, "podhook_main_up 0\n") ||
		!strings.Contains(body, `podhook_main_signals_total{hook="shutdown",signal="SIGTERM"} 2`) {
		t.Errorf("metrics:\n%s", body)
	}
}

func TestStatus(t *testing.T) {
	w := serving(t, outcomes, trusted)
	w.is("/prestart", 200)
	w.is("/hooks/broken", 500)
	r := w.get("/status")
	var st Status
	if err := json.Unmarshal([]byte(r.body), &st); err != nil || r.status != 200 {
		t.Fatalf("%d %v: %s", r.status, err, r.body)
	}
	if st.Version != "v1.2.3" || st.Ready == nil || !*st.Ready || st.NotReady != "" || st.Instance != w.agent.Store.Instance().ID ||
		st.StateDir != w.agent.Store.Dir() || st.Config.Source != w.config || st.Main != nil {
		t.Errorf("/status is %s", r.body)
	}
	var names []string
	for _, h := range st.Hooks {
		names = append(names, h.Name)
		switch {
		case h.Name == "prestart" && (h.LastRun == nil || h.LastRun.Outcome != state.Succeeded || h.TimeoutSeconds != 60 || h.Steps != 1),
			h.Name == "broken" && (h.LastRun == nil || h.LastRun.Steps[0].Tail[0] != "<no table>" || *h.LastRun.Steps[0].ExitCode != 3),
			h.Name == "shutdown" && h.LastRun != nil:
			t.Errorf("hook %+v", h)
		}
	}
	if got := strings.Join(names, " "); got != "prestart shutdown poststop broken slow" {
		t.Errorf("the hooks are %s", got)
	}
}

// A broken record costs neither the status nor the probes.
func TestBrokenRecord(t *testing.T) {
	w := serving(t, outcomes)
	w.is("/prestart", 200)
	w.write(filepath.Join(w.agent.Store.Dir(), "hooks", "prestart", "run.json"), `{"instance":"`+w.agent.Store.Instance().ID+`"`+"\n")
	if body := w.is("/status", 200); !strings.Contains(body, "no usable record") {
		t.Errorf("/status does not say it: %s", body)
	}
	w.ready(false, "no usable record")
	w.is("/livez", 200)
	if body := w.is("/metrics", 200); !strings.Contains(body, "podhook_build_info") {
		t.Errorf("metrics:\n%s", body)
	}
	w.is("/prestart", 200)
	w.ready(true, "ready")
}
