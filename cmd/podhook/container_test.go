package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/internal/testutil"
)

// container is a process in PID and mount namespaces of its own, as a runtime
// makes them.
type isolated struct {
	s   *sandbox
	run *running
	pid int // of its first process, as it is seen from here
}

// container starts argv as PID 1 with the given stdout; nil is /dev/null.
func (s *sandbox) container(stdout io.Writer, argv ...string) *isolated {
	s.t.Helper()
	cmd := exec.Command("unshare", append([]string{"--pid", "--mount", "--mount-proc", "--fork", "--kill-child", "--"}, argv...)...)
	return s.contain(cmd, stdout, argv)
}

// beside starts argv as a container that shares the PID namespace of pod.
func (s *sandbox) beside(pod *isolated, argv ...string) *isolated {
	s.t.Helper()
	cmd := exec.Command("nsenter", append([]string{"-t", strconv.Itoa(pod.pid), "--pid", "--mount", "--", "unshare", "--mount", "--"}, argv...)...)
	return s.contain(cmd, nil, argv)
}

// contain starts cmd, which executes argv as its only child in a PID namespace.
func (s *sandbox) contain(cmd *exec.Cmd, stdout io.Writer, argv []string) *isolated {
	s.t.Helper()
	needsRoot(s.t)
	if stdout == nil {
		null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
		if err != nil {
			s.t.Fatal(err)
		}
		defer null.Close()
		stdout = null
	}
	cmd.Stdout = stdout
	c := &isolated{s: s, run: s.begin(cmd)}
	testutil.Eventually(s.t, "the container's first process runs", func() bool {
		all := children(cmd.Process.Pid)
		if len(all) != 1 || commandLine(all[0]) != strings.Join(argv, " ") {
			return false
		}
		c.pid = all[0]
		return true
	})
	s.t.Cleanup(c.stop)
	return c
}

// stop ends all that runs in the container.
func (c *isolated) stop() {
	if !zombie(c.pid) {
		_ = syscall.Kill(c.pid, syscall.SIGKILL)
	}
	<-c.run.done
}

// enter is a command that runs argv in the container, as a postStart exec does.
func (c *isolated) enter(argv ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{"-t", strconv.Itoa(c.pid), "--pid", "--mount", "--"}, argv...)...)
}

// exec runs podhook in the container.
func (c *isolated) exec(args ...string) ended {
	c.s.t.Helper()
	return c.s.begin(c.enter(append([]string{c.s.binary}, args...)...)).wait(c.s.t)
}

func needsRoot(t testing.TB) {
	t.Helper()
	testutil.NeedRoot(t, "make namespaces")
}

const printing = `hooks:
  prestart:
    timeout: 30s
    steps:
    - name: print
      exec: [sh, -c, "i=0; echo first-line >&2; while [ $i -lt 6000 ]; do i=$((i+1)); echo line-$i; done; echo last-line"]
`

// Whatever PID 1's stdout is, a hook succeeds and is not delayed, and where it
// can be written it has every line.
func TestLinesGoToPID1(t *testing.T) {
	t.Run("file", func(t *testing.T) {
		s := newSandbox(t, printing)
		log, err := os.OpenFile(s.write("log", "the application's own line\n", 0o644), os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close()
		s.printsUndisturbed(s.container(log, "sleep", "1000"))
		text := s.read("log")
		contains(t, text, "the application's own line\n", "first-line", "line-6000", "last-line", "hook ended", "outcome=succeeded")
		if n := strings.Count(text, "step output"); n != 6002 {
			t.Errorf("%d lines in the log, want 6002", n)
		}
	})
	t.Run("pipe that is read", func(t *testing.T) {
		s := newSandbox(t, printing)
		r, w := pipe(t)
		c := s.container(w, "sleep", "1000")
		w.Close()
		lines := make(chan int)
		go func() {
			n := 0
			for scanner := bufio.NewScanner(r); scanner.Scan(); n++ {
				if strings.Contains(scanner.Text(), "hook ended") {
					break
				}
			}
			lines <- n
		}()
		s.printsUndisturbed(c)
		if n := <-lines; n < 100 { // what a slow reader leaves no room for is dropped
			t.Errorf("%d lines reached the pipe", n)
		}
	})
	t.Run("pipe without a reader", func(t *testing.T) {
		s := newSandbox(t, printing)
		r, w := pipe(t)
		c := s.container(w, "sleep", "1000")
		r.Close()
		w.Close()
		s.printsUndisturbed(c)
	})
	t.Run("full pipe that nobody reads", func(t *testing.T) {
		s := newSandbox(t, printing)
		_, w := pipe(t)
		c := s.container(w, "sleep", "1000")
		fill(t, w)
		s.printsUndisturbed(c)
	})
	t.Run("closed", func(t *testing.T) {
		s := newSandbox(t, printing)
		c := s.container(nil, "sh", "-c", "exec >&-; echo closed >&2; sleep 1000")
		testutil.Eventually(t, "stdout is closed", func() bool {
			_, err := os.Lstat(fmt.Sprintf("/proc/%d/fd/1", c.pid))
			return os.IsNotExist(err)
		})
		s.printsUndisturbed(c)
	})
	t.Run("not permitted", func(t *testing.T) {
		s := newSandbox(t, printing)
		own(t, s.dir)
		log, err := os.Create(s.path("log"))
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close()
		c := s.container(log, "sleep", "1000")
		cmd := c.enter(s.binary, "prestart")
		cmd.Args = append([]string{cmd.Args[0], "-S", nobody, "-G", nobody}, cmd.Args[1:]...)
		e := s.begin(cmd).wait(t)
		if e.code != 0 {
			t.Fatal(e)
		}
		testutil.Within(t, e.elapsed, 0, 10*time.Second)
		if text := s.read("log"); text != "" {
			t.Errorf("a user without the right wrote %q", text)
		}
	})
}

// printsUndisturbed runs the hook of printing in c.
func (s *sandbox) printsUndisturbed(c *isolated) {
	s.t.Helper()
	e := c.exec("prestart")
	if e.code != 0 {
		s.t.Fatal(e)
	}
	testutil.Within(s.t, e.elapsed, 0, 10*time.Second)
	if len(e.stdout)+len(e.stderr) > 2048 {
		s.t.Errorf("%d bytes on stdout and stderr", len(e.stdout)+len(e.stderr))
	}
	contains(s.t, c.exec("logs", "prestart").stdout, " stdout line-1\n", "last-line\n")
}

// nobody is a user without any files.
const nobody = "65534"

// own gives a directory to nobody, and lets nobody reach it.
func own(t *testing.T, dir string) {
	t.Helper()
	testutil.NeedRoot(t, "become another user")
	if err := os.Chown(dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	// Only the owner can enter the parent of t.TempDir.
	if err := os.Chmod(dir+"/..", 0o755); err != nil {
		t.Fatal(err)
	}
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.Close()
		w.Close()
	})
	return r, w
}

// fill writes to a pipe until it takes no more. The description stays blocking,
// as that of an application is.
func fill(t *testing.T, w *os.File) {
	t.Helper()
	fd, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", w.Fd()), unix.O_WRONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for size := 4096; size > 0; {
		if _, err := unix.Write(fd, make([]byte, size)); err == unix.EAGAIN {
			size /= 2
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

const countedHooks = `hooks:
  prestart:
    steps:
    - exec: [sh, -c, 'echo prestart >>"$DIR/ran"']
  other:
    steps:
    - exec: [sh, -c, 'echo other >>"$DIR/ran"']
`

// Exec'd processes and the agent of one container know of each other's runs; a
// restarted container knows nothing of the one before it.
func TestExecAndServeInOneContainer(t *testing.T) {
	s := newSandbox(t, countedHooks, "PODHOOK_LISTEN=127.0.0.1:0")
	first := s.serving()
	byExec := first.exec("prestart")
	if byExec.code != 0 {
		t.Fatal(byExec)
	}
	over := first.get("/prestart")
	if !over.Already || !strings.Contains(byExec.stdout, over.Run) {
		t.Errorf("exec said %q, HTTP after it %+v", byExec.stdout, over)
	}
	over = first.get("/hooks/other")
	if over.Already || over.Outcome != "succeeded" {
		t.Errorf("over HTTP: %+v", over)
	}
	byExec = first.exec("hook", "other")
	if byExec.code != 0 || !strings.Contains(byExec.stdout, "already") || !strings.Contains(byExec.stdout, over.Run) {
		t.Errorf("HTTP said %+v, exec after it: %v", over, byExec)
	}
	if got := s.read("ran"); got != "prestart\nother\n" {
		t.Fatalf("ran %q, want each once", got)
	}

	first.stop()
	second := s.serving()
	if e := second.exec("wait", "prestart", "--timeout", "0s"); e.code != 124 {
		t.Errorf("the marker of the container before counts: %v", e)
	}
	if over := second.get("/prestart"); over.Already || over.Outcome != "succeeded" {
		t.Errorf("after the restart, over HTTP: %+v", over)
	}
	if e := second.exec("wait", "prestart", "--timeout", "0s"); e.code != 0 {
		t.Errorf("the new instance's run does not count: %v", e)
	}
	if e := second.exec("hook", "other"); e.code != 0 || strings.Contains(e.stdout, "already") {
		t.Errorf("after the restart, by exec: %v", e)
	}
	if got := s.read("ran"); got != "prestart\nother\nprestart\nother\n" {
		t.Errorf("ran %q, want each once in each instance", got)
	}
}

// serving is a container with the agent as its PID 1.
type serving struct {
	*isolated
	address string
}

func (s *sandbox) serving() *serving {
	s.t.Helper()
	r, w := pipe(s.t)
	c := s.container(w, s.binary, "serve")
	w.Close()
	return &serving{c, listening(s.t, r)}
}

// listening reads an agent's log until it says where it listens, and goes on
// reading it.
func listening(t *testing.T, log io.Reader) string {
	t.Helper()
	found := make(chan string, 1)
	go func() {
		address := regexp.MustCompile(`agent listens.* address=(\S+)`)
		for scanner := bufio.NewScanner(log); scanner.Scan(); {
			if m := address.FindStringSubmatch(scanner.Text()); m != nil {
				found <- m[1]
			}
		}
	}()
	select {
	case address := <-found:
		return address
	case <-time.After(testutil.Patience):
		t.Fatal("the agent does not listen")
	}
	return ""
}

// answered is the body of an answer about a run.
type answered struct {
	Run, Outcome, Reason      string
	Joined, Already, Bypassed bool
	status                    int
}

func (c *serving) get(path string) answered {
	c.s.t.Helper()
	a, err := get(c.address, path)
	if err != nil {
		c.s.t.Fatal(err)
	}
	return a
}

// token is what get sends; an agent that has none takes no notice.
const token = "the-token-of-the-tests"

func get(address, path string) (answered, error) {
	client := http.Client{Timeout: testutil.Patience}
	defer client.CloseIdleConnections()
	req, err := http.NewRequest(http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return answered{}, err
	}
	req.Header.Set("X-Podhook-Token", token)
	resp, err := client.Do(req)
	if err != nil {
		return answered{}, err
	}
	defer resp.Body.Close()
	a := answered{status: resp.StatusCode}
	return a, json.NewDecoder(resp.Body).Decode(&a)
}

// With shareProcessNamespace PID 1 is the pod's: only the container that was
// restarted is a new instance.
func TestContainersThatShareAPIDNamespace(t *testing.T) {
	app, side := newSandbox(t, countedHooks), newSandbox(t, countedHooks)
	pod := app.container(nil, "sleep", "1000")
	appRun, sideRun := app.beside(pod, "sleep", "1001"), side.beside(pod, "sleep", "1002")
	for _, c := range []*isolated{appRun, sideRun} {
		if e := c.exec("prestart"); e.code != 0 || strings.Contains(e.stdout, "already") {
			t.Fatal(e)
		}
	}
	appRun.stop()
	appRun = app.beside(pod, "sleep", "1001")
	if e := appRun.exec("prestart"); e.code != 0 || strings.Contains(e.stdout, "already") {
		t.Errorf("restarted: %v", e)
	}
	if e := sideRun.exec("prestart"); e.code != 0 || !strings.Contains(e.stdout, "already") {
		t.Errorf("not restarted: %v", e)
	}
	if a, b := app.read("ran"), side.read("ran"); a != "prestart\nprestart\n" || b != "prestart\n" {
		t.Errorf("ran %q and %q", a, b)
	}
}
