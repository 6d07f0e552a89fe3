package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/agent"
	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/internal/testutil"
)

// The tests of this package start the real program. plain is podhook as it is
// shipped. binary has the race detector if the tests have it, and is slower.
var binary, plain string

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(child(os.Args[1:]))
	}
	os.Exit(withBinary(m))
}

func withBinary(m *testing.M) int {
	dir, err := os.MkdirTemp("", "podhook")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if plain, err = testutil.Build(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	binary = plain
	if raceDetector {
		binary = filepath.Join(dir, "race")
		if out, err := exec.Command("go", "build", "-race", "-o", binary, ".").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "go build -race: %v\n%s", err, out)
			return 1
		}
	}
	// Races are written where a worker that has let go of its stderr can too. By
	// default a second is slept at every exit.
	os.Setenv("GORACE", "atexit_sleep_ms=0 log_path="+filepath.Join(dir, "race"))
	code := m.Run()
	races, _ := filepath.Glob(filepath.Join(dir, "race.*"))
	for _, path := range races {
		text, _ := os.ReadFile(path)
		fmt.Fprintf(os.Stderr, "%s\n", text)
		code = 1
	}
	return code
}

// sandbox is the place of one container: its state, configuration and
// environment.
type sandbox struct {
	t      *testing.T
	dir    string
	binary string
	// mark is in the environment of all that is started here.
	mark string
	env  []string
}

// newSandbox has the configuration as its file; "" leaves it without one.
func newSandbox(t *testing.T, yaml string, env ...string) *sandbox {
	t.Helper()
	dir := t.TempDir()
	s := &sandbox{t: t, dir: dir, binary: binary, mark: "SANDBOX=" + dir}
	s.env = []string{
		"PATH=" + os.Getenv("PATH"), "GORACE=" + os.Getenv("GORACE"), s.mark, "DIR=" + dir,
		"PODHOOK_STATE_DIR=" + s.path("state"), "PODHOOK_TERMINATION_LOG=" + s.path("termination"),
		"PODHOOK_LOG_FORMAT=logfmt", // the form with every attribute
	}
	if yaml != "" {
		s.configure(yaml)
		s.env = append(s.env, "PODHOOK_CONFIG="+s.path("podhook.yaml"))
	}
	s.env = append(s.env, env...)
	t.Cleanup(func() {
		for _, pid := range s.alive() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	return s
}

func (s *sandbox) configure(yaml string) {
	s.t.Helper()
	s.write("podhook.yaml", yaml, 0o644)
}

func (s *sandbox) path(name string) string { return filepath.Join(s.dir, name) }

func (s *sandbox) write(name, text string, mode os.FileMode) string {
	s.t.Helper()
	path := s.path(name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// read is a file's text, "" where there is none.
func (s *sandbox) read(name string) string {
	s.t.Helper()
	text, err := os.ReadFile(s.path(name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		s.t.Fatal(err)
	}
	return string(text)
}

// ended is how a command ended.
type ended struct {
	code           int
	stdout, stderr string
	elapsed        time.Duration
}

func (e ended) String() string {
	return fmt.Sprintf("code %d after %v\nstdout: %s\nstderr: %s", e.code, e.elapsed, e.stdout, e.stderr)
}

// running is a command that goes on.
type running struct {
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer
	began          time.Time
	done           chan struct{}
	err            error
}

// start runs the binary; its stdout and stderr are pipes, as of kubelet's exec,
// and the command is over when they have been read to their end.
func (s *sandbox) start(args ...string) *running {
	s.t.Helper()
	return s.begin(s.command(args...))
}

func (s *sandbox) command(args ...string) *exec.Cmd { return exec.Command(s.binary, args...) }

func (s *sandbox) begin(cmd *exec.Cmd) *running {
	s.t.Helper()
	r := &running{cmd: cmd, done: make(chan struct{}), began: time.Now()}
	if cmd.Env == nil {
		cmd.Env = s.env
	}
	if cmd.Stdout == nil {
		cmd.Stdout = &r.stdout
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &r.stderr
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		r.err = cmd.Wait()
		close(r.done)
	}()
	s.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		select {
		case <-r.done:
		case <-time.After(testutil.Patience):
			s.t.Errorf("%v: its output is still open", cmd.Args)
		}
	})
	return r
}

func (r *running) wait(t testing.TB) ended {
	t.Helper()
	select {
	case <-r.done:
	case <-time.After(testutil.Patience):
		t.Fatalf("%v has not ended after %v", r.cmd.Args, testutil.Patience)
	}
	var exit *exec.ExitError
	if r.err != nil && !errors.As(r.err, &exit) {
		t.Fatal(r.err)
	}
	code := r.cmd.ProcessState.ExitCode()
	if status, ok := r.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		code = -int(status.Signal())
	}
	return ended{code: code, stdout: r.stdout.String(), stderr: r.stderr.String(), elapsed: time.Since(r.began)}
}

// over says whether the command has ended.
func (r *running) over() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

func (r *running) signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	if err := r.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// run runs the binary to its end.
func (s *sandbox) run(args ...string) ended {
	s.t.Helper()
	return s.start(args...).wait(s.t)
}

// expect is run with the exit code that is needed.
func (s *sandbox) expect(code int, args ...string) ended {
	s.t.Helper()
	e := s.run(args...)
	if e.code != code {
		s.t.Fatalf("podhook %s: %v\nwant code %d", strings.Join(args, " "), e, code)
	}
	return e
}

// status is the output of podhook status -o json.
func (s *sandbox) status() agent.Status {
	s.t.Helper()
	e := s.expect(0, "status", "-o", "json")
	var st agent.Status
	if err := json.Unmarshal([]byte(e.stdout), &st); err != nil {
		s.t.Fatalf("%v in %s", err, e.stdout)
	}
	return st
}

// record is the last run of a hook; the test fails where there is none.
func (s *sandbox) record(hook string) state.Record {
	s.t.Helper()
	rec, ok := s.lastRun(hook)
	if !ok {
		s.t.Fatalf("hook %s has no run", hook)
	}
	return rec
}

func (s *sandbox) lastRun(hook string) (state.Record, bool) {
	s.t.Helper()
	for _, h := range s.status().Hooks {
		if h.Error != "" {
			s.t.Fatalf("hook %s: %s", h.Name, h.Error)
		}
		if h.Name == hook && h.LastRun != nil {
			return *h.LastRun, true
		}
	}
	return state.Record{}, false
}

// seenIn is lastRun as it is seen in a container.
func (s *sandbox) seenIn(c *isolated, hook string) (state.Record, bool) {
	s.t.Helper()
	e := c.exec("status", "-o", "json")
	var st agent.Status
	if err := json.Unmarshal([]byte(e.stdout), &st); err != nil {
		s.t.Fatalf("%v in %v", err, e)
	}
	for _, h := range st.Hooks {
		if h.Name == hook && h.LastRun != nil {
			return *h.LastRun, true
		}
	}
	return state.Record{}, false
}

// alive are the processes that were started here and live still.
func (s *sandbox) alive() []int { return marked(s.mark) }

// marked are the processes with an entry in their environment, without zombies.
func marked(entry string) []int {
	var pids []int
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		environ, err := os.ReadFile(dir + "/environ")
		if err != nil || !bytes.Contains(append([]byte{0}, environ...), []byte("\x00"+entry+"\x00")) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(dir)); err == nil && !zombie(pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func zombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, rest, _ := bytes.Cut(stat[bytes.LastIndexByte(stat, ')'):], []byte(" "))
	return bytes.HasPrefix(rest, []byte("Z")) || bytes.HasPrefix(rest, []byte("X"))
}

// commandLine is a process's arguments, joined by blanks.
func commandLine(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return strings.TrimSpace(strings.ReplaceAll(string(text), "\x00", " "))
}

// count is how many of the processes that live have exactly this command line.
func (s *sandbox) count(line string) int {
	n := 0
	for _, pid := range s.alive() {
		if commandLine(pid) == line {
			n++
		}
	}
	return n
}

// worker is the PID of the process that does the run.
func (s *sandbox) worker() int {
	s.t.Helper()
	found := 0
	testutil.Eventually(s.t, "the worker runs", func() bool {
		if workers := s.workers(); len(workers) > 0 {
			found = workers[0]
		}
		return found != 0
	})
	return found
}

// workers are the processes that run hooks for their callers.
func (s *sandbox) workers() (pids []int) {
	for _, pid := range s.alive() {
		if isWorker(pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// isWorker reports whether a process is a podhook for an exec'd hook that leads a session.
func isWorker(pid int) bool {
	path, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if path != binary && path != plain {
		return false
	}
	words := append(strings.Fields(commandLine(pid)), "", "")
	if words[1] == workerCommand {
		return true
	}
	session, _ := unix.Getsid(pid)
	return session == pid && (words[1] == "hook" || words[1] == "prestart" || words[1] == "shutdown")
}

// gone waits for the end of all processes of the sandbox.
func (s *sandbox) gone() {
	s.t.Helper()
	testutil.Eventually(s.t, "all processes have ended", func() bool { return len(s.alive()) == 0 })
}

func contains(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in %q", part, shortened(text))
		}
	}
}

func shortened(text string) string {
	const most = 3000
	if len(text) <= most {
		return text
	}
	return fmt.Sprintf("%s ... %d bytes ... %s", text[:most/2], len(text)-most, text[len(text)-most/2:])
}

// script is a YAML step that runs a shell script, whose text stands in single
// quotes there.
func script(text string) string {
	return "exec: [sh, -c, '" + strings.ReplaceAll(text, "'", "''") + "']"
}
