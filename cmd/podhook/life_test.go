package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/internal/testutil"
)

// The tests of the files life_*_test.go start podhook run as PID 1 of a container
// and write down in the file events what happens.

// note is a step that writes a line to events.
func note(line string) string { return script(`echo "` + line + `" >>"$DIR/events"`) }

// life is a container whose PID 1 is podhook run.
type life struct{ *isolated }

// live starts podhook run with flags and the server as CMD, and waits for nothing.
func (s *sandbox) live(flags ...string) life {
	s.t.Helper()
	return s.liveWith(flags, "env", childEnv+"=1", os.Args[0], "server")
}

func (s *sandbox) liveWith(flags []string, cmd ...string) life {
	s.t.Helper()
	argv := append(append([]string{s.binary, "run"}, flags...), "--")
	return s.contained(append(argv, cmd...))
}

// contained starts argv as PID 1, which by prefixes comes to be podhook run.
func (s *sandbox) contained(argv []string, prefixes ...string) life {
	s.t.Helper()
	needsRoot(s.t)
	log, err := os.OpenFile(s.path("log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	words := []string{"--pid", "--mount", "--mount-proc", "--fork", "--kill-child", "--"}
	cmd := exec.Command("unshare", append(append(words, prefixes...), argv...)...)
	return life{s.contain(cmd, log, argv)}
}

// served is live when CMD serves.
func (s *sandbox) served(flags ...string) life {
	s.t.Helper()
	l := s.live(flags...)
	testutil.Eventually(s.t, "CMD serves", func() bool { return s.read("address") != "" })
	return l
}

// servedBy is served by a program that executes podhook run in its place.
func (s *sandbox) servedBy(prefixes ...string) life {
	s.t.Helper()
	l := s.contained([]string{s.binary, "run", "--", "env", childEnv + "=1", os.Args[0], "server"}, prefixes...)
	testutil.Eventually(s.t, "CMD serves", func() bool { return s.read("address") != "" })
	return l
}

// once runs podhook run in a container to its end.
func (s *sandbox) once(args ...string) ended {
	s.t.Helper()
	needsRoot(s.t)
	argv := append([]string{"--pid", "--mount", "--mount-proc", "--fork", "--kill-child", "--", s.binary, "run"}, args...)
	return s.begin(exec.Command("unshare", argv...)).wait(s.t)
}

// send sends a signal to PID 1.
func (l life) send(sig syscall.Signal) {
	l.s.t.Helper()
	if err := syscall.Kill(l.pid, sig); err != nil {
		l.s.t.Fatal(err)
	}
}

// ends waits for the end of the container, which must come with this code.
func (l life) ends(code int) ended {
	l.s.t.Helper()
	e := l.run.wait(l.s.t)
	if e.code != code {
		l.s.t.Errorf("exit code %d, want %d; %v\nlog: %s\nevents: %s", e.code, code, e, l.s.read("log"), l.s.read("events"))
	}
	return e
}

// agent is the address of the agent, from the log.
func (l life) agent() string {
	l.s.t.Helper()
	address := ""
	testutil.Eventually(l.s.t, "the agent listens", func() bool {
		if m := listens.FindStringSubmatch(l.s.read("log")); m != nil {
			address = m[1]
		}
		return address != ""
	})
	return address
}

var listens = regexp.MustCompile(`agent listens.* address=(\S+)`)

// get is the status of a GET to the agent.
func (l life) get(path string) int {
	l.s.t.Helper()
	status := l.status(path)
	if status == 0 {
		l.s.t.Fatalf("%s is not answered", path)
	}
	return status
}

// status is the status of a GET to the agent, 0 where it is not answered.
func (l life) status(path string) int {
	client := http.Client{Timeout: testutil.Patience}
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://" + l.agent() + path)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// answers reports whether CMD answers over HTTP.
func (s *sandbox) answers() bool {
	client := http.Client{Timeout: time.Second}
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://" + s.read("address"))
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return err == nil && string(body) == "main answers"
}

func (s *sandbox) events() []string {
	s.t.Helper()
	text := strings.TrimSuffix(s.read("events"), "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// happens waits for a line in events.
func (s *sandbox) happens(line string) {
	s.t.Helper()
	testutil.Eventually(s.t, line, func() bool { return slices.Contains(s.events(), line) })
}

func (s *sandbox) happened(want ...string) {
	s.t.Helper()
	if got := s.events(); !slices.Equal(got, want) {
		s.t.Errorf("events are %q, want %q\nlog: %s", got, want, shortened(s.read("log")))
	}
}

// tabled runs a subtest a row.
func tabled[T any](t *testing.T, rows map[string]T, test func(*testing.T, T)) {
	t.Helper()
	for name, row := range rows {
		t.Run(name, func(t *testing.T) { test(t, row) })
	}
}

// waiters is how many processes wait for the lock on a file: proc_locks(5).
func (s *sandbox) waiters(name string) int {
	s.t.Helper()
	info, err := os.Stat(s.path(name))
	if err != nil {
		s.t.Fatal(err)
	}
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		s.t.Fatal(err)
	}
	inode := fmt.Sprintf(":%d ", info.Sys().(*syscall.Stat_t).Ino)
	n := 0
	for line := range strings.Lines(string(locks)) {
		if strings.Contains(line, "-> FLOCK") && strings.Contains(line, inode) {
			n++
		}
	}
	return n
}

// inside is the record of a hook as a process of the container sees it.
func (s *sandbox) inside(l life, hook string) state.Record {
	s.t.Helper()
	rec, ok := s.seenIn(l.isolated, hook)
	if !ok {
		s.t.Fatalf("hook %s has no run", hook)
	}
	return rec
}

type lockedText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lockedText) add(text []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(text)
}

func (l *lockedText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
