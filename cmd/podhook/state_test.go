package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/internal/testutil"
)

const drained = `hooks:
  prestart:
    steps: [{exec: [sh, -c, 'echo prestart >>"$DIR/ran"']}]
  shutdown:
    steps: [{exec: [sh, -c, 'echo shutdown >>"$DIR/ran"']}]
`

// notRecorded checks a container whose state cannot be written: a hook does not run,
// because its success could not be recorded, but shutdown runs.
func (s *sandbox) notRecorded(run func(args ...string) ended, reasons ...string) {
	s.t.Helper()
	e := run("prestart")
	if e.code != 2 {
		s.t.Errorf("prestart: %v, want code 2", e)
	}
	contains(s.t, e.stderr, append(reasons, "mount an emptyDir", "PODHOOK_STATE_DIR")...)
	if got := s.read("ran"); got != "" {
		s.t.Errorf("prestart ran %q", got)
	}
	e = run("shutdown")
	if e.code != 1 {
		s.t.Errorf("shutdown: %v, want code 1", e)
	}
	contains(s.t, e.stderr, "all steps succeeded, but the state cannot be written")
	if got := s.read("ran"); got != "shutdown\n" {
		s.t.Errorf("ran %q, want the drain", got)
	}
	testutil.Within(s.t, e.elapsed, 0, 15*time.Second)
}

func TestStateThatCannotBeMade(t *testing.T) {
	s := newSandbox(t, drained)
	s.write("state", "a file is in the way", 0o644)
	s.notRecorded(s.run, "the state cannot be written: PODHOOK_STATE_DIR cannot be used: "+s.path("state"))
	for _, args := range [][]string{{"status"}, {"logs", "prestart"}, {"wait", "prestart"}, {"check"}, {"serve"}} {
		e := s.expect(2, args...)
		contains(t, e.stdout+e.stderr, "mount an emptyDir", s.path("state"))
	}
}

func TestStateOfAnotherUser(t *testing.T) {
	needsRoot(t)
	s := newSandbox(t, drained)
	own(t, s.dir)
	if err := os.Mkdir(s.path("state"), 0o755); err != nil {
		t.Fatal(err)
	}
	s.notRecorded(func(args ...string) ended {
		return s.begin(exec.Command("setpriv", append([]string{"--reuid", nobody, "--regid", nobody, "--clear-groups", s.binary}, args...)...)).wait(t)
	}, s.path("state")+": permission denied")
}

func TestStateOnAReadOnlyMount(t *testing.T) {
	s := newSandbox(t, drained)
	s.mountState(unix.MS_RDONLY, "")
	s.notRecorded(s.run, "read-only file system")
}

func TestStateOnAFullMount(t *testing.T) {
	s := newSandbox(t, drained)
	s.mountState(0, "size=64k")
	s.fillState()
	s.notRecorded(s.run, "no space left on device")
	// Space again: all works.
	if err := os.Remove(s.path("state/filler")); err != nil {
		t.Fatal(err)
	}
	s.expect(0, "prestart")
}

// A recorded success counts even if the file system is broken since. The hook does not run
// again, here or with another directory.
func TestSuccessIsReadWhereNothingCanBeWritten(t *testing.T) {
	for what, spoil := range map[string]func(s *sandbox){
		"read-only": func(s *sandbox) {
			if err := unix.Mount("", s.path("state"), "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
				s.t.Fatal(err)
			}
		},
		"no inodes": func(s *sandbox) {
			for n := 0; ; n++ {
				f, err := os.Create(s.path(fmt.Sprintf("state/filler%d", n)))
				if err != nil {
					return
				}
				f.Close()
			}
		},
	} {
		s := newSandbox(t, drained)
		s.mountState(0, "size=1m,nr_inodes=50")
		s.expect(0, "prestart")
		s.expect(0, "shutdown")
		spoil(s)
		for _, hook := range []string{"prestart", "shutdown"} {
			contains(t, s.expect(0, hook).stdout, "already")
		}
		if got := s.read("ran"); got != "prestart\nshutdown\n" {
			t.Errorf("%s: ran %q, want each once", what, got)
		}
		s.expect(0, "wait", "prestart", "--timeout", "0s")
	}
}

// Without PODHOOK_STATE_DIR the hook does not move to another directory.
func TestReadOnlyRunIsNoReasonToGoElsewhere(t *testing.T) {
	s := newSandbox(t, drained)
	s.env = slices.DeleteFunc(s.env, func(entry string) bool { return strings.HasPrefix(entry, "PODHOOK_STATE_DIR=") })
	c := s.container(nil, "sleep", "1000")
	mount := func(args ...string) {
		t.Helper()
		if e := s.begin(c.enter(append([]string{"mount", "-t", "tmpfs"}, args...)...)).wait(t); e.code != 0 {
			t.Fatal(e)
		}
	}
	mount("tmpfs", "/run")
	mount("-o", "mode=1777", "tmpfs", "/dev/shm")
	if e := c.exec("prestart"); e.code != 0 {
		t.Fatal(e)
	}
	mount("-o", "remount,ro", "/run")
	if e := c.exec("prestart"); e.code != 0 || !strings.Contains(e.stdout, "already") {
		t.Errorf("after the remount: %v", e)
	}
	if e := c.exec("prestart", "--force"); e.code != 2 || !strings.Contains(e.stderr, "/run/podhook-") {
		t.Errorf("forced: %v, want an error that names the directory", e)
	}
	if e := s.begin(c.enter("ls", "/dev/shm")).wait(t); e.stdout != "" {
		t.Errorf("in /dev/shm there is %q", e.stdout)
	}
	if got := s.read("ran"); got != "prestart\n" {
		t.Errorf("ran %q, want it once", got)
	}
}

// fillsUp is a hook that fills its state. If there is a file "all", it also fills what
// podhook has reserved.
const fillsUp = `hooks:
  prestart:
    marker: DIR/done
    steps:
    - exec: [sh, -c, '[ ! -e "$DIR/all" ] || rm "$DIR"/state/hooks/*/run.json; head -c 1000000 /dev/zero >"$DIR/state/filler" 2>/dev/null; echo filled']
    - exec: [sh, -c, 'echo next >>"$DIR/ran"']
`

// A success that could still be recorded, in place, counts.
func TestStateThatFillsUp(t *testing.T) {
	s := newSandbox(t, "")
	s.configure(strings.ReplaceAll(fillsUp, "DIR/done", s.path("done")))
	s.env = append(s.env, "PODHOOK_CONFIG="+s.path("podhook.yaml"))
	s.mountState(0, "size=128k")
	s.expect(0, "prestart")
	contains(t, s.expect(0, "prestart").stdout, "succeeded already")
	s.expect(0, "shutdown") // for which prestart has kept space
	s.expect(0, "wait", "prestart", "--timeout", "0s")
	if got := s.read("ran"); got != "next\n" {
		t.Errorf("ran %q, want once", got)
	}
}

// A success that cannot be recorded does not count, and leaves no marker.
func TestStateThatFillsUpForGood(t *testing.T) {
	s := newSandbox(t, "")
	s.configure(strings.ReplaceAll(fillsUp, "DIR/done", s.path("done")))
	s.env = append(s.env, "PODHOOK_CONFIG="+s.path("podhook.yaml"))
	s.write("all", "", 0o644)
	s.mountState(0, "size=128k")
	e := s.expect(1, "prestart")
	contains(t, e.stderr, "all steps succeeded, but the state cannot be written", "no space left on device")
	if got := s.read("ran"); got != "next\n" {
		t.Errorf("ran %q: the steps have begun and go on", got)
	}
	if e := s.run("wait", "prestart", "--timeout", "0s"); e.code != 124 {
		t.Errorf("a success that was not recorded counts: %v", e)
	}
	if _, err := os.Stat(s.path("done")); err == nil {
		t.Error("the marker says that the hook has succeeded")
	}
}

// mountState mounts a tmpfs where the state is.
func (s *sandbox) mountState(flags uintptr, data string) {
	s.t.Helper()
	needsRoot(s.t)
	if err := os.Mkdir(s.path("state"), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", s.path("state"), "tmpfs", flags, data); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = unix.Unmount(s.path("state"), unix.MNT_DETACH) })
}

// fillState leaves no byte free.
func (s *sandbox) fillState() {
	s.t.Helper()
	f, err := os.Create(s.path("state/filler"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
}

// A record that is not one is no reason not to run, and no success.
func TestBrokenRecord(t *testing.T) {
	s := newSandbox(t, countedHooks)
	s.expect(0, "prestart")
	record := s.path("state/hooks/prestart/run.json")
	good := s.read("state/hooks/prestart/run.json")
	good = good[:strings.Index(good, "\n")]
	for text, want := range map[string]string{
		good[:len(good)/2] + "\n":                                      "no usable record",
		strings.Replace(good, `"version":1`, `"version":99`, 1) + "\n": "version 99",
		// What a killed process, or a crash of the machine, has left of a record is none.
		good[:len(good)/2]: "not run in this instance", "": "not run in this instance", "\x00\x00\x00": "not run in this instance",
	} {
		if err := os.WriteFile(record, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		contains(t, s.expect(0, "status").stdout, "prestart", want)
		if e := s.run("wait", "prestart", "--timeout", "0s"); e.code != 124 {
			t.Errorf("record %q counts: %v", text, e)
		}
		contains(t, s.expect(0, "prestart").stdout, "hook prestart succeeded (run")
	}
}

// Nothing that others may read or write is made in the state, and no temporary
// file is left.
func TestStateFiles(t *testing.T) {
	s := newSandbox(t, countedHooks)
	s.expect(0, "prestart")
	s.expect(0, "prestart", "--force")
	err := filepath.Walk(s.path("state"), func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		if filepath.Ext(path) == ".tmp" {
			t.Errorf("%s is left", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
