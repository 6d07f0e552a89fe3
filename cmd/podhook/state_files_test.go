package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/internal/testutil"
)

// traced is podhook under strace with these flags.
func (s *sandbox) traced(flags []string, args ...string) ended {
	s.t.Helper()
	strace := testutil.NeedProgram(s.t, "strace", "strace")
	if out, err := exec.Command(strace, "-f", "true").CombinedOutput(); err != nil {
		s.t.Skipf("strace needs ptrace(2), which is denied here: %v %s", err, out)
	}
	flags = append([]string{"-f", "-o", s.path("trace")}, flags...)
	return s.begin(exec.Command(strace, append(append(flags, plain), args...)...)).wait(s.t)
}

var syncs = regexp.MustCompile(`(?m)^.*\b(fsync|fdatasync|syncfs|sync_file_range)\(.*$`)

// The state of an instance does not outlive the kernel, so a call of a hook never
// waits for a disk. A file that a user has asked for is synced.
func TestOnlyAUsersFilesAreSynced(t *testing.T) {
	s := newSandbox(t, "")
	s.configure(strings.ReplaceAll(`hooks:
  prestart: {steps: [{exec: [echo, hello]}, {sleep: 1ms}]}
  marked: {marker: DIR/done}
  writes: {steps: [{write: {file: DIR/written, content: x}}]}
`, "DIR", s.dir))
	s.env = append(s.env, "PODHOOK_CONFIG="+s.path("podhook.yaml"))
	flags := []string{"-e", "trace=fsync,fdatasync,syncfs,sync_file_range"}
	for _, c := range []struct {
		want int
		args []string
	}{
		{0, []string{"prestart"}},
		{0, []string{"prestart"}},
		{0, []string{"prestart", "--force"}},
		{0, []string{"shutdown"}},
		{0, []string{"status"}},
		{2, []string{"hook", "marked"}}, // the file and its directory
		{2, []string{"hook", "writes"}},
	} {
		if e := s.traced(flags, c.args...); e.code != 0 {
			t.Fatal(e)
		}
		if found := syncs.FindAllString(s.read("trace"), -1); len(found) != c.want {
			t.Errorf("podhook %s syncs %d times, want %d: %q", strings.Join(c.args, " "), len(found), c.want, found)
		}
	}
}

// A process that is killed after it has recorded a success, and before it has written
// the marker, leaves that to the next one.
func TestKilledBeforeTheMarker(t *testing.T) {
	s := newSandbox(t, "")
	s.configure("hooks: {prestart: {marker: " + s.path("shared/done") + ", steps: [{sleep: 1ms}]}}\n")
	s.env = append(s.env, "PODHOOK_CONFIG="+s.path("podhook.yaml"))
	if err := os.Mkdir(s.path("shared"), 0o755); err != nil {
		t.Fatal(err)
	}
	// The marker's directory is opened for nothing else.
	e := s.traced([]string{"-P", s.path("shared"), "-e", "trace=openat", "-e", "inject=openat:signal=KILL"}, "prestart")
	if e.code == 0 || s.read("shared/done") != "" {
		t.Fatalf("%v, marker %q", e, s.read("shared/done"))
	}
	rec := s.record("prestart")
	if rec.Outcome != state.Succeeded {
		t.Errorf("%+v", rec)
	}
	contains(t, s.expect(0, "prestart").stdout, "succeeded already", rec.RunID)
	contains(t, s.read("shared/done"), "prestart "+rec.RunID+" ")
}

// SIGKILL at renames: a marker exists only together with the record of its success.
func TestKilledAtAChangeOfAFile(t *testing.T) {
	testutil.Slow(t)
	s := newSandbox(t, "")
	given := s.path("given")
	s.configure("hooks: {prestart: {marker: " + given + ", steps: [{sleep: 1ms}]}, own: {steps: [{sleep: 1ms}]}}\n")
	s.env = append(s.env, "PODHOOK_CONFIG="+s.path("podhook.yaml"))
	killed := 0
	for hook, marker := range map[string]string{"prestart": given, "own": s.path("state/hooks/own/marker")} {
		for nth := range 6 { // of one thread: it may be any of a run's changes
			s.expect(0, "hook", hook)
			inject := fmt.Sprintf("inject=renameat,unlinkat:signal=KILL:when=%d", nth+1)
			if e := s.traced([]string{"-e", "trace=renameat,unlinkat", "-e", inject}, "hook", hook, "--force"); e.code != 0 {
				killed++
			}
			rec := s.record(hook)
			if text, err := os.ReadFile(marker); err == nil && (rec.Outcome != state.Succeeded || !strings.HasPrefix(string(text), hook+" "+rec.RunID+" ")) {
				t.Errorf("hook %s: marker %q beside %s of run %s", hook, text, rec.Outcome, rec.RunID)
			}
			s.expect(0, "hook", hook)
			rec = s.record(hook)
			if text, err := os.ReadFile(marker); err != nil || !strings.HasPrefix(string(text), hook+" "+rec.RunID+" ") {
				t.Errorf("hook %s, called after a kill: marker %q, %v, run %s", hook, text, err, rec.RunID)
			}
		}
	}
	if killed == 0 {
		t.Error("nothing was killed")
	}
}

// A full state keeps neither a preStop nor a stop signal from draining, and they
// drain once.
func TestFullStateIsDrainedOnce(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, "hooks: {shutdown: {steps: [{"+note("shutdown")+"}]}}\n", "PODHOOK_LISTEN=127.0.0.1:0")
	s.mountState(0, "size=256k,mode=700")
	l := s.served()
	l.agent()
	s.takeSpares()
	s.fillState()
	if status := l.get("/shutdown"); status != 500 {
		t.Errorf("status %d, want 500: it is not recorded", status)
	}
	l.send(syscall.SIGTERM)
	l.ends(serverCode)
	s.happened("main starts", "shutdown", "main gets SIGTERM")
}

// Where the container had space at its start, its shutdown is recorded when there is
// none any more, for every process.
func TestFullStateRecordsTheShutdown(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, "hooks: {shutdown: {steps: [{"+note("shutdown")+"}]}}\n", "PODHOOK_LISTEN=127.0.0.1:0")
	s.mountState(0, "size=256k,mode=700")
	l := s.served()
	l.agent()
	s.fillState()
	if e := l.exec("shutdown"); e.code != 0 {
		t.Error(e)
	}
	if status := l.get("/shutdown"); status != 200 {
		t.Errorf("status %d", status)
	}
	l.send(syscall.SIGTERM)
	l.ends(serverCode)
	s.happened("main starts", "shutdown", "main gets SIGTERM")
}

// takeSpares takes the space that podhook keeps for a full state.
func (s *sandbox) takeSpares() {
	s.t.Helper()
	files, _ := filepath.Glob(s.path("state/hooks/*/run.json"))
	if len(files) == 0 {
		s.t.Error("nothing is kept for a full state")
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err == nil {
			err = os.Truncate(path, int64(len(bytes.TrimRight(text, "\x00"))))
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

// Root shows the state of another user, and neither runs nor trusts it.
func TestRootInAnotherUsersState(t *testing.T) {
	needsRoot(t)
	s := newSandbox(t, drained)
	own(t, s.dir)
	if err := errors.Join(os.Mkdir(s.path("state"), 0o777), os.Chmod(s.path("state"), 0o777)); err != nil {
		t.Fatal(err)
	}
	another := func(args ...string) ended {
		return s.begin(exec.Command("setpriv", append([]string{"--reuid", nobody, "--regid", nobody, "--clear-groups", s.binary}, args...)...)).wait(t)
	}
	if e := another("prestart"); e.code != 0 {
		t.Fatal(e)
	}
	contains(t, s.expect(0, "status").stdout, "prestart  succeeded")
	s.expect(0, "logs", "prestart")
	foreign := "it belongs to uid " + nobody + " with mode 0700"
	for _, args := range [][]string{{"prestart"}, {"prestart", "--force"}} {
		contains(t, s.expect(2, args...).stderr, s.path("state/hooks/prestart")+": "+foreign)
	}
	contains(t, s.expect(124, "wait", "prestart", "--timeout", "0s").stderr, foreign)
	e := s.expect(1, "shutdown")
	contains(t, e.stderr, "all steps succeeded, but the state cannot be written")
	if got := s.read("ran"); got != "prestart\nshutdown\n" {
		t.Errorf("ran %q", got)
	}
	// The last good configuration is in force where the file is broken, but not theirs.
	s.configure("hooks: {mine: {steps: [{exec: [sh, -c, 'echo planted >>\"$DIR/ran\"']}]}}\n")
	if e := another("hook", "mine"); e.code != 0 {
		t.Fatal(e)
	}
	s.configure("hooks: [")
	if e := another("hook", "mine", "--force"); e.code != 0 {
		t.Error(e)
	}
	if err := os.RemoveAll(s.path("state/hooks")); err != nil {
		t.Fatal(err)
	}
	before := s.read("ran")
	s.expect(2, "hook", "mine")
	if got := s.read("ran"); got != before {
		t.Errorf("root ran another user's configuration: %q", got)
	}
	if e := another("hook", "mine"); e.code != 0 {
		t.Errorf("what root did is in its user's way: %v", e)
	}
}
