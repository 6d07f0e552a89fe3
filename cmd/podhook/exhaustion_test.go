package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/internal/testutil"
)

// bomb uses up all PIDs, and all of its processes ask for more. It makes a file when no
// PID is left, and another one when it gets TERM.
const bomb = `$SIG{TERM} = sub { open my $f, ">", "$ENV{DIR}/terminated"; exit 7 };
my $first = $$;
while (1) {
	next if defined fork or $$ != $first or -e "$ENV{DIR}/full";
	open my $f, ">", "$ENV{DIR}/full";
}`

// exhausted has a shutdown that waits, writes to a disk at many places and starts a
// program, for the first time in the thread for those without new privileges.
func (s *sandbox) exhausted() {
	s.env = append(s.env, "PODHOOK_CONFIG_YAML={hooks: {shutdown: {timeout: 60s, steps: ["+
		`{wait: {file: "${DIR}/go"}}, {parallel: [`+strings.Repeat(`{write: {file: "${DIR}/written", content: x}},`, 40)+
		"], onFailure: ignore}, {name: program, exec: ['true'], noNewPrivileges: true}]}}}", "PODHOOK_LISTEN=127.0.0.1:0")
}

// limited is a cgroup with at most n PIDs, as the shell's command that enters it.
func limited(t *testing.T, n int) string {
	t.Helper()
	needsRoot(t)
	testutil.NeedProgram(t, "perl", "perl-base")
	root := "/sys/fs/cgroup/pids"
	if _, err := os.Stat(root); err != nil {
		root = "/sys/fs/cgroup"
	}
	dir, err := os.MkdirTemp(root, "podhook-test-")
	if err != nil {
		t.Skipf("no cgroup can be made: %v", err)
	}
	t.Cleanup(func() {
		testutil.Eventually(t, "the cgroup is empty", func() bool { return syscall.Rmdir(dir) == nil })
	})
	if err := os.WriteFile(filepath.Join(dir, "pids.max"), []byte(strconv.Itoa(n)), 0); err != nil {
		t.Skipf("PIDs cannot be limited: %v", err)
	}
	return "echo $$ >" + filepath.Join(dir, "cgroup.procs")
}

// after runs a shell command before cmd, in the same process.
func after(shell string, cmd *exec.Cmd) *exec.Cmd {
	return exec.Command("sh", append([]string{"-c", shell + `; exec "$@"`, "sh"}, cmd.Args...)...)
}

// repeated runs a test TEST_ROUNDS times, else twice.
func repeated(t *testing.T, round func(t *testing.T)) {
	rounds, err := strconv.Atoi(os.Getenv("TEST_ROUNDS"))
	if err != nil {
		rounds = 2
	}
	for n := range rounds {
		t.Run(strconv.Itoa(n), round)
	}
}

// crowd requests all paths that only read, on 60 connections, until stop. It returns
// after 600 answers. A reader of /proc/locks makes every lock, and every close of a
// locked file, slow.
func crowd(t *testing.T, address string) (stop func()) {
	t.Helper()
	var answers atomic.Int32
	var all sync.WaitGroup
	done := make(chan struct{}, 1)
	all.Go(func() {
		for len(done) == 0 {
			_, _ = os.ReadFile("/proc/locks")
			time.Sleep(time.Millisecond)
		}
	})
	for range 60 {
		all.Go(func() {
			for len(done) == 0 {
				for _, path := range []string{"livez", "metrics", "status"} {
					if resp, err := http.Get("http://" + address + "/" + path); err == nil {
						resp.Body.Close()
					}
					answers.Add(1)
				}
			}
		})
	}
	testutil.Eventually(t, "600 answers came", func() bool { return answers.Load() >= 600 })
	return func() { done <- struct{}{}; all.Wait() }
}

// lastsAndFails checks podhook without a free PID: a call of shutdown waits, the agent
// answers, the wait ends, and a program cannot be started.
func (s *sandbox) lastsAndFails(address string) {
	s.t.Helper()
	answer := make(chan string, 1)
	go func() {
		a, err := get(address, "/shutdown")
		answer <- fmt.Sprint(a.status, " ", a.Reason, " ", err)
	}()
	unready := func() bool {
		resp, err := http.Get("http://" + address + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusServiceUnavailable
	}
	testutil.Eventually(s.t, "shutdown goes on", unready)
	stop := crowd(s.t, address)
	resp, err := http.Get("http://" + address + "/livez")
	if err != nil || resp.StatusCode != http.StatusOK {
		s.t.Errorf("livez: %v, %v", resp, err)
	}
	s.write("go", "", 0o644)
	contains(s.t, <-answer, "500 ", "step program: cannot start", "cannot create another process")
	stop()
}

// A CMD that uses up all PIDs still gets its stop signal, and PID 1 outlives it.
func TestRunOutlivesUsedUpPIDs(t *testing.T) {
	repeated(t, func(t *testing.T) {
		s := newSandbox(t, "")
		s.binary = plain
		s.exhausted()
		r, w := pipe(t)
		c := s.prepared(w, limited(t, 40), s.binary, "run", "--", "perl", "-e", bomb)
		w.Close()
		address := listening(t, r)
		testutil.Eventually(t, "all PIDs are used up", func() bool { return s.exists("full") })
		s.lastsAndFails(address)
		if err := syscall.Kill(c.pid, syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if e := c.run.wait(t); e.code != 7 || !s.exists("terminated") {
			t.Errorf("%v, want CMD's code 7 after TERM", e)
		}
	})
}

// An agent outlives another container of its pod that uses up the PIDs of the pod.
func TestServeOutlivesUsedUpPIDs(t *testing.T) {
	repeated(t, func(t *testing.T) {
		s := newSandbox(t, "")
		s.binary = plain
		s.exhausted()
		r, w := pipe(t)
		pod := limited(t, 40)
		c := s.prepared(w, pod, s.binary, "serve")
		w.Close()
		address := listening(t, r)
		main := s.begin(after(pod, exec.Command("unshare", "--pid", "--fork", "--kill-child", "--", "perl", "-e", bomb)))
		testutil.Eventually(t, "all PIDs are used up", func() bool { return s.exists("full") })
		s.lastsAndFails(address)
		if err := syscall.Kill(c.pid, syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if e := c.run.wait(t); e.code != 0 {
			t.Error(e)
		}
		_ = main.cmd.Process.Kill()
	})
}

// prepared is container after a shell command.
func (s *sandbox) prepared(stdout *os.File, shell string, argv ...string) *isolated {
	s.t.Helper()
	cmd := exec.Command("unshare", append([]string{"--pid", "--mount", "--mount-proc", "--fork", "--kill-child", "--"}, argv...)...)
	return s.contain(after(shell, cmd), stdout, argv)
}

// Callers take half of the descriptors at most: the rest is for the stop.
func TestRunOutlivesUsedUpDescriptors(t *testing.T) {
	s := newSandbox(t, `hooks: {shutdown: {timeout: 50s, steps: [{exec: [cp, "${DIR}/podhook.yaml", "${DIR}/drained"]}]}}`, "PODHOOK_LISTEN=127.0.0.1:0")
	r, w := pipe(t)
	c := s.prepared(w, "ulimit -n 64", s.binary, "run", "--", "sh", "-c", `trap "exit 7" TERM; : >"$DIR/up"; while :; do sleep 0.02; done`)
	w.Close()
	address := listening(t, r)
	testutil.Eventually(t, "CMD runs", func() bool { return s.exists("up") })
	for range 200 {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	if err := syscall.Kill(c.pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if e := c.run.wait(t); e.code != 7 || !s.exists("drained") {
		t.Errorf("%v, want a drained CMD's code 7", e)
	}
}
