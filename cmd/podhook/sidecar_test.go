package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/internal/testutil"
)

// sidecarPod is a pod with a shared PID namespace: podhook serve in a container of
// its own looks after the process web of another one.
type sidecarPod struct {
	*sandbox
	pause *isolated
	agent *serving
}

func newSidecarPod(t *testing.T, yaml string) *sidecarPod {
	t.Helper()
	s := newSandbox(t, yaml, "PODHOOK_LISTEN=127.0.0.1:0", "PODHOOK_MAIN=name:web")
	if err := os.Symlink("/bin/sleep", s.path("web")); err != nil {
		t.Fatal(err)
	}
	return &sidecarPod{sandbox: s, pause: s.container(nil, "sleep", "1000")}
}

// web starts the main container with the main process as its first.
func (p *sidecarPod) web() *isolated { return p.beside(p.pause, p.path("web"), "1000") }

// entry starts the main container with a script that starts the main process when
// the file go is there.
func (p *sidecarPod) entry() *isolated {
	c := p.beside(p.pause, "sh", "-c", "until [ -e $DIR/go ]; do sleep 0.02; done; $DIR/web 1000 & wait")
	p.t.Cleanup(func() { p.end(c) })
	return c
}

// end ends all processes of a main container, as the runtime does.
func (p *sidecarPod) end(c *isolated) {
	p.t.Helper()
	for _, pid := range children(c.pid) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	c.stop()
}

// serve starts the agent's container.
func (p *sidecarPod) serve() {
	p.t.Helper()
	r, w := pipe(p.t)
	argv := []string{p.binary, "serve"}
	cmd := exec.Command("nsenter", append([]string{"-t", strconv.Itoa(p.pause.pid), "--pid", "--mount", "--", "unshare", "--mount", "--"}, argv...)...)
	c := p.contain(cmd, w, argv)
	w.Close()
	p.agent = &serving{c, listening(p.t, r)}
}

// restart kills the agent as a memory limit does, and starts it again.
func (p *sidecarPod) restart() {
	p.t.Helper()
	p.agent.stop()
	p.serve()
}

func (p *sidecarPod) ready() bool {
	p.t.Helper()
	client := http.Client{Timeout: testutil.Patience}
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://" + p.agent.address + "/readyz")
	if err != nil {
		p.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode == 200
}

// expect checks readiness and what has run so far.
func (p *sidecarPod) expect(what string, ready bool, ran ...string) {
	p.t.Helper()
	if got := p.ready(); got != ready {
		p.t.Errorf("%s: ready %t, want %t; %+v", what, got, ready, p.agent.exec("status").stdout)
	}
	if got := strings.Fields(p.read("ran")); strings.Join(got, " ") != strings.Join(ran, " ") {
		p.t.Errorf("%s: ran %q, want %q", what, got, ran)
	}
}

// call calls prestart as kubelet's postStart does.
func (p *sidecarPod) call() answered {
	p.t.Helper()
	a := p.agent.get("/prestart")
	if a.Outcome != "succeeded" {
		p.t.Errorf("prestart: %+v", a)
	}
	return a
}

// A record is of one start of the main container: kubelet calls postStart for each,
// and for no restart of the sidecar.
func TestSidecarOutlivesItsOwnRestart(t *testing.T) {
	p := newSidecarPod(t, countedHooks)
	p.serve()
	first := p.web()
	p.expect("before postStart", false)
	p.call()
	p.expect("after postStart", true, "prestart")
	for range 2 {
		p.restart()
		p.expect("killed and started again", true, "prestart")
	}
	if a := p.call(); !a.Already {
		t.Errorf("called again: %+v", a)
	}
	if e := p.agent.exec("prestart"); e.code != 0 || !strings.Contains(e.stdout, "already") {
		t.Errorf("by exec: %v", e)
	}
	if e := p.agent.exec("wait", "prestart", "--timeout", "0s"); e.code != 0 {
		t.Errorf("wait: %v", e)
	}

	p.end(first)
	p.expect("the main container has ended", false, "prestart")
	p.web()
	p.expect("the main container was started again", false, "prestart")
	if e := p.agent.exec("wait", "prestart", "--timeout", "0s"); e.code != 124 {
		t.Errorf("wait: %v", e)
	}
	if a := p.call(); a.Already {
		t.Errorf("called for a new main container: %+v", a)
	}
	p.expect("called for it", true, "prestart", "prestart")
	p.restart()
	p.expect("killed and started again", true, "prestart", "prestart")
}

// Nobody else runs prestart for a main container whose record is lost.
func TestSidecarThatHasLostItsState(t *testing.T) {
	p := newSidecarPod(t, countedHooks)
	p.serve()
	p.web()
	p.call()
	p.agent.stop()
	if err := os.RemoveAll(p.path("state")); err != nil {
		t.Fatal(err)
	}
	p.serve()
	testutil.Eventually(t, "the pod is ready again", p.ready)
	p.expect("without its state", true, "prestart", "prestart")
	contains(t, p.agent.exec("status", "-o", "json").stdout, `"trigger": "start"`)
}

// A failure is kubelet's to answer.
func TestSidecarDoesNotRepeatAFailure(t *testing.T) {
	p := newSidecarPod(t, "hooks:\n  prestart:\n    steps:\n    - exec: [sh, -c, 'echo prestart >>\"$DIR/ran\"; exit 1']\n")
	p.serve()
	p.web()
	if a := p.agent.get("/prestart"); a.Outcome != "failed" {
		t.Errorf("%+v", a)
	}
	p.restart()
	for range 20 { // it would begin at once
		p.expect("after a failure", false, "prestart")
	}
	if e := p.agent.exec("status"); !strings.Contains(e.stdout, "failed") {
		t.Errorf("the record is lost: %v", e)
	}
}

// postStart comes 2 ms after the container's start (deploy/kubernetes/kubelet.md),
// before an entry script has started what PODHOOK_MAIN names.
func TestPostStartBeforeTheMainProcess(t *testing.T) {
	p := newSidecarPod(t, countedHooks)
	p.serve()
	first := p.entry()
	p.call()
	p.expect("without a main process", true, "prestart")
	p.write("go", "", 0o644)
	testutil.Eventually(t, "the main process is there", p.mainIsThere)
	p.expect("with one", true, "prestart")
	p.restart()
	p.expect("killed and started again", true, "prestart")

	if err := os.Remove(p.path("go")); err != nil {
		t.Fatal(err)
	}
	p.end(first)
	p.expect("the main container has ended", false, "prestart")
	p.entry()
	p.call()
	p.expect("called for a new one", true, "prestart", "prestart")
	p.write("go", "", 0o644)
	testutil.Eventually(t, "the main process is there", p.mainIsThere)
	p.expect("with its main process", true, "prestart", "prestart")
}

// The record is of a main container that has ended, also before the next one has
// come to its main process, by which it could be told.
func TestEntryScriptOfAMainContainerThatWasRestarted(t *testing.T) {
	p := newSidecarPod(t, countedHooks)
	p.serve()
	first := p.web()
	testutil.Eventually(t, "the main process is there", p.mainIsThere)
	p.call()
	p.expect("the first one", true, "prestart")
	p.end(first)
	p.expect("it has ended", false, "prestart")
	p.entry()
	p.expect("the next one", false, "prestart")
	if a := p.call(); a.Already {
		t.Errorf("called for it: %+v", a)
	}
	p.write("go", "", 0o644)
	testutil.Eventually(t, "the main process is there", p.mainIsThere)
	p.expect("with its main process", true, "prestart", "prestart")
}

func (p *sidecarPod) mainIsThere() bool {
	return p.agent.exec("wait", "--exit", "main", "--timeout", "0s").code == 124
}

// A main container that has never come to its main process leaves no trace by which
// its next start could be told. prestart is run for each call then: kubelet calls once.
func TestMainContainerThatFailsBeforeItsMainProcess(t *testing.T) {
	p := newSidecarPod(t, countedHooks)
	p.serve()
	first := p.entry()
	p.call()
	p.end(first)
	p.entry()
	p.call()
	p.write("go", "", 0o644)
	testutil.Eventually(t, "the main process is there", p.mainIsThere)
	p.expect("the second start", true, "prestart", "prestart")
}

const longPrestart = `hooks:
  prestart:
    steps:
    - exec: [sh, -c, 'echo begin >>"$DIR/ran"; until [ -e "$DIR/go" ]; do sleep 0.02; done; echo end >>"$DIR/ran"']
`

// The run of an exec'd hook for an earlier main container is not joined either.
func TestExecForAnEarlierMainContainerIsNotJoined(t *testing.T) {
	p := newSidecarPod(t, longPrestart)
	p.serve()
	first := p.web()
	testutil.Eventually(t, "the main process is there", p.mainIsThere)
	byExec := p.begin(p.agent.enter(p.binary, "prestart"))
	testutil.Eventually(t, "prestart runs", func() bool { return p.read("ran") == "begin\n" })
	p.end(first)
	p.web()
	answer := make(chan answered, 1)
	go func() {
		a, err := get(p.agent.address, "/prestart")
		if err != nil {
			t.Error(err)
		}
		answer <- a
	}()
	testutil.Eventually(t, "the call waits", func() bool { return p.locks("state/hooks/prestart/run.json") == 2 })
	p.write("go", "", 0o644)
	if e := byExec.wait(t); e.code != 0 {
		t.Errorf("for the first one: %v", e)
	}
	if a := <-answer; a.Outcome != "succeeded" || a.Joined || a.Already {
		t.Errorf("for the second one: %+v", a)
	}
	p.expect("for the second one", true, "begin", "end", "begin", "end")
}

// locks is how many processes have or want the lock of a file (proc_locks(5)).
func (s *sandbox) locks(name string) int {
	s.t.Helper()
	var st syscall.Stat_t
	if err := syscall.Stat(s.path(name), &st); err != nil {
		s.t.Fatal(err)
	}
	all, err := os.ReadFile("/proc/locks")
	if err != nil {
		s.t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(all)) {
		if strings.Contains(line, " FLOCK ") && strings.Contains(line, fmt.Sprintf(":%d ", st.Ino)) {
			n++
		}
	}
	return n
}

// A run for a main container that has ended is not joined for the next one.
func TestRunForAnEarlierMainContainerIsNotJoined(t *testing.T) {
	p := newSidecarPod(t, longPrestart)
	p.serve()
	first := p.web()
	answers := make(chan answered, 2)
	call := func() {
		a, err := get(p.agent.address, "/prestart")
		if err != nil {
			t.Error(err)
		}
		answers <- a
	}
	go call()
	testutil.Eventually(t, "prestart runs", func() bool { return p.read("ran") == "begin\n" })
	p.end(first)
	p.web()
	go call()
	if a := <-answers; a.Outcome != "interrupted" || !strings.Contains(a.Reason, "container has been restarted") {
		t.Errorf("for the first one: %+v", a)
	}
	testutil.Eventually(t, "prestart runs again", func() bool { return p.read("ran") == "begin\nbegin\n" })
	p.write("go", "", 0o644)
	if a := <-answers; a.Outcome != "succeeded" || a.Joined || a.Already {
		t.Errorf("for the second one: %+v", a)
	}
	p.expect("for the second one", true, "begin", "begin", "end")
}

// once is once in a start of the main container.
func TestOnceInASidecar(t *testing.T) {
	p := newSidecarPod(t, `hooks:
  prestart:
    steps:
    - {name: only, once: true, exec: [sh, -c, 'echo only >>"$DIR/ran"']}
    - exec: [test, -e, "${DIR}/ok"]
`)
	p.serve()
	first := p.web()
	p.agent.get("/prestart")
	p.restart()
	p.write("ok", "", 0o644)
	p.call()
	p.expect("repeated", true, "only")
	p.end(first)
	p.web()
	p.call()
	p.expect("for a new main container", true, "only", "only")
}

// kubelet stops a sidecar when all main containers are dead, so a sleep has no purpose.
func TestSidecarOfAJob(t *testing.T) {
	p := newSidecarPod(t, `hooks:
  shutdown:
    timeout: 90s
    steps:
    - sleep: 40s
    - wait: {tcp: "127.0.0.1:1"}
      timeout: 40s
    - signal: QUIT
    - wait: {exit: main}
    - write: {file: "${DIR}/deregistered"}
`)
	p.env = append(p.env, "PODHOOK_GRACE_PERIOD=100s")
	p.serve()
	job := p.web()
	testutil.Eventually(t, "the main process is there", p.mainIsThere)
	p.call()
	p.end(job)
	began := time.Now()
	if err := syscall.Kill(p.agent.pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.agent.run.done
	testutil.Within(t, time.Since(began), 0, 30*time.Second)
	if !p.exists("deregistered") {
		t.Error("the other steps were not done")
	}
}

// The marker that other containers wait for goes with the main container's start
// and not with the agent's.
func TestMarkerInASidecar(t *testing.T) {
	p := newSidecarPod(t, "hooks:\n  prestart:\n    marker: ${DIR}/done\n    steps:\n    - sleep: 10ms\n")
	p.serve()
	first := p.web()
	p.call()
	p.restart()
	if !p.exists("done") {
		t.Error("the marker of a main container that goes on was removed")
	}
	p.agent.stop()
	p.end(first)
	p.serve()
	if _, err := os.Stat(p.path("done")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the marker of a main container that has gone: %v", err)
	}
}
