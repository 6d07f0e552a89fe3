package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/internal/testutil"
)

// watching is a container whose hook reload watches a ConfigMap in etc, checks it, and
// tells CMD.
func watching(t *testing.T, more string) *sandbox {
	t.Helper()
	s := newSandbox(t, "")
	s.project("good 0")
	s.configure(`
hooks:
  reload:
    watch: ["${DIR}/etc/app.conf"]
    debounce: 20ms
    steps:
    - exec: [grep, -q, good, "${DIR}/etc/app.conf"]
    - exec: [sh, -c, 'echo reload $(cat $DIR/etc/app.conf) >>$DIR/events']
    - signal: HUP
` + more)
	s.env = append(s.env, "PODHOOK_CONFIG="+s.path("podhook.yaml"))
	return s
}

func (s *sandbox) project(text string) {
	s.t.Helper()
	testutil.Project(s.t, s.path("etc"), map[string]string{"app.conf": text})
}

// Under podhook run CMD is told of each good configuration, and of none once it is to stop.
func TestRunWatches(t *testing.T) {
	s := watching(t, "  shutdown: {steps: ["+note("shutdown")+", {exec: [sh, -c, 'while [ -e $DIR/hold ]; do sleep 0.02; done']}]}\n")
	s.write("hold", "", 0o644)
	l := s.served()
	s.project("good 1")
	s.happens("reload good 1")
	testutil.Eventually(t, "the first run has ended", func() bool { return s.inside(l, "reload").Outcome == state.Succeeded })
	s.project("bad 2")
	testutil.Eventually(t, "the bad one is refused", func() bool { return s.inside(l, "reload").Outcome == state.Failed })
	contains(t, s.read("termination"), "podhook: hook reload failed")
	s.project("good 3")
	testutil.Eventually(t, "the last run has ended", func() bool { return s.inside(l, "reload").Outcome == state.Succeeded })
	if rec := s.inside(l, "reload"); rec.Trigger != state.TriggerWatch {
		t.Errorf("the trigger is %s", rec.Trigger)
	}
	l.send(syscall.SIGTERM)
	s.happens("shutdown")
	s.project("good 4")
	if err := testutil.Until(500*time.Millisecond, "", func() bool { return strings.Contains(s.read("events"), "good 4") }); err == nil {
		t.Error("a change after the stop signal runs the hook")
	}
	if err := os.Remove(s.path("hold")); err != nil {
		t.Fatal(err)
	}
	l.ends(serverCode)
	s.happened("main starts", "reload good 1", "main gets SIGHUP", "reload good 3", "main gets SIGHUP", "shutdown", "main gets SIGTERM")
}

// What changes while prestart gates CMD runs nothing: CMD reads it at its start.
func TestRunWatchesFromTheStart(t *testing.T) {
	s := watching(t, "  prestart: {steps: ["+note("prestart")+", {exec: [sh, -c, 'while [ -e $DIR/hold ]; do sleep 0.02; done']}]}\n")
	s.write("hold", "", 0o644)
	l := s.live()
	s.happens("prestart")
	s.project("good 1")
	if err := os.Remove(s.path("hold")); err != nil {
		t.Fatal(err)
	}
	s.happens("main starts")
	s.project("good 2")
	s.happens("main gets SIGHUP")
	l.send(syscall.SIGTERM)
	l.ends(serverCode)
	s.happened("prestart", "main starts", "reload good 2", "main gets SIGHUP", "main gets SIGTERM")
}

// Where the user has no inotify instance, or no watch, left, podhook says so once and polls.
func TestRunWatchesWithoutInotify(t *testing.T) {
	for _, limit := range []string{"max_inotify_instances", "max_inotify_watches"} {
		t.Run(limit, func(t *testing.T) {
			t.Parallel()
			s := watching(t, "")
			l := s.servedBy("unshare", "--user", "--map-root-user", "--", "sh", "-c", "echo 0 >/proc/sys/user/"+limit+` && exec "$@"`, "sh")
			for i := range 2 {
				s.project(fmt.Sprint("good ", i+1))
				s.happens(fmt.Sprint("reload good ", i+1))
			}
			l.send(syscall.SIGTERM)
			l.ends(serverCode)
			if n := strings.Count(s.read("log"), "no inotify instance or watch is left"); n != 1 {
				t.Errorf("the log says so %d times:\n%s", n, s.read("log"))
			}
		})
	}
}

// Without a directory for the state no change could run the hook: that is an error at the
// start.
func TestRunWatchesWithoutAState(t *testing.T) {
	s := watching(t, "")
	file := s.write("file", "", 0o644)
	s.env = append(s.env, "PODHOOK_STATE_DIR="+filepath.Join(file, "state"))
	e := s.expect(2, "run", "--", "true")
	contains(t, e.stderr, "the state cannot be written")
}

// A change runs the hook though it has succeeded, and a plan says so.
func TestPlanOfAWatch(t *testing.T) {
	s := newSandbox(t, "hooks: {reload: {watch: [/etc], steps: [{exec: [\"true\"]}]}}")
	s.expect(0, "hook", "reload")
	contains(t, s.expect(0, "plan", "reload").stdout, "would run nothing: succeeded in this instance")
	contains(t, s.expect(0, "plan", "reload", "--trigger", "watch").stdout, "reload, called by watch, would run: ")
}

// A process that watches does nothing while nothing changes.
func TestWatchIsIdle(t *testing.T) {
	s := watching(t, "")
	s.binary = plain // the race detector has a thread that wakes up
	l := s.served()
	s.project("good 1")
	s.happens("main gets SIGHUP")
	// What follows a change comes to its end first: the runtime looks around for some time.
	const idle = 3 * time.Second
	err := testutil.Until(testutil.Patience, "no thread wakes up for "+idle.String(), func() bool {
		before := wakeUps(t, l.pid)
		time.Sleep(idle)
		return wakeUps(t, l.pid) == before
	})
	if err != nil {
		t.Error(err)
	}
}

// wakeUps is how often the threads of a process have been put to sleep: proc_pid_status(5).
func wakeUps(t *testing.T, pid int) (sum int) {
	t.Helper()
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, after, _ := strings.Cut(string(text), "\nvoluntary_ctxt_switches:")
		n := 0
		if _, err := fmt.Sscan(after, &n); err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	return sum
}

// freeAddress is an address where nothing listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
