package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/podhook/podhook/internal/testutil"
)

// inPlaceOf checks podhook under the name of another init, and that init itself where it
// is installed: the test must not ask for more than it does.
func inPlaceOf(t *testing.T, name string, check func(t *testing.T, s *sandbox)) {
	t.Parallel()
	t.Run("podhook", func(t *testing.T) {
		t.Parallel()
		s := newSandbox(t, "")
		s.binary = plain // with Go's entry point a TSTP can stop it before it is told
		check(t, s.as(name))
	})
	t.Run("itself", func(t *testing.T) {
		t.Parallel()
		s := newSandbox(t, "")
		s.binary = testutil.NeedProgram(t, name, name)
		check(t, s)
	})
}

// as calls podhook by another name.
func (s *sandbox) as(name string) *sandbox {
	s.t.Helper()
	link := s.path(name)
	if err := os.Symlink(s.binary, link); err != nil {
		s.t.Fatal(err)
	}
	s.binary = link
	return s
}

// with is the sandbox with more variables.
func (s *sandbox) with(env ...string) *sandbox {
	more := *s
	more.env = append(more.env[:len(more.env):len(more.env)], env...)
	return &more
}

func (s *sandbox) awaitFile(name string) string {
	s.t.Helper()
	testutil.Eventually(s.t, name+" is written", func() bool { return s.read(name) != "" })
	return strings.TrimSpace(s.read(name))
}

// isStopped says whether a process is stopped by a signal.
func isStopped(pid int) bool {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return strings.Contains(string(stat), ") T ")
}

// optionTable is a table of command lines: what they print on stdout, and the exit code.
type optionTable []struct {
	env  string
	args string
	code int
	out  string // "..." stands for anything
}

func (table optionTable) check(t *testing.T, s *sandbox) {
	for _, row := range table {
		words := strings.Fields(row.args)
		for i, word := range words {
			words[i] = strings.ReplaceAll(word, "_", " ")
		}
		e := s.with(row.env).run(words...)
		if e.code != row.code || row.out != "..." && e.stdout != row.out {
			t.Errorf("%s %q: %v\nwant code %d and stdout %q", row.env, row.args, e, row.code, row.out)
		}
		if e.code == 1 && e.stderr == "" {
			t.Errorf("%q fails silently", row.args)
		}
	}
}

// An init that stands in for another one runs the hooks, and docker-init is a tini.
func TestDropInRunsHooks(t *testing.T) {
	t.Parallel()
	const yaml = `
hooks:
  prestart: {steps: [{exec: [sh, -c, 'echo "prestart in $(pwd)" >> $DIR/events']}]}
  shutdown: {steps: [{exec: [./told, shutdown]}]}
  poststop: {steps: [{exec: [sh, -c, 'echo "poststop in $(pwd) after $PODHOOK_MAIN_EXIT_CODE" >> $DIR/events']}]}
`
	for _, name := range []string{"tini", "docker-init", "dumb-init"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSandbox(t, yaml).as(name)
			s.write("told", "#!/bin/sh\necho $1 in $(pwd) >> $DIR/events\n", 0o755)
			cmd := s.command("--", "sh", "-c", `trap 'echo term in $(pwd) >> $DIR/events; exit 3' TERM; echo up >> $DIR/events; while :; do sleep 0.02; done`)
			cmd.Dir = s.dir
			r := s.begin(cmd)
			testutil.Eventually(t, "CMD is up", func() bool { return strings.Contains(s.read("events"), "up\n") })
			testutil.Eventually(t, "podhook has left its directory", func() bool {
				cwd, _ := os.Readlink(fmt.Sprintf("/proc/%d/cwd", cmd.Process.Pid))
				return cwd == "/"
			})
			r.signal(t, syscall.SIGTERM)
			if e := r.wait(t); e.code != 3 {
				t.Error(e)
			}
			want := strings.ReplaceAll("prestart in D\nup\nshutdown in D\nterm in D\npoststop in D after 3\n", " D", " "+s.dir)
			if got := s.read("events"); got != want {
				t.Errorf("%s\nwant\n%s", got, want)
			}
		})
	}
}

// A working directory that is gone is an error of the step, and one that was gone from the
// start is not left.
func TestLeavesDirectory(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, "hooks: {poststop: {steps: [{name: say, exec: [sh, -c, 'pwd > $DIR/poststop']}]}}\n")
	gone := filepath.Join(s.dir, "gone")
	if err := os.Mkdir(gone, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := s.command("run", "--", "sh", "-c", `until [ "$(readlink /proc/$PPID/cwd)" = / ]; do sleep 0.01; done; rmdir $DIR/gone`)
	cmd.Dir = gone
	if e := s.begin(cmd).wait(t); e.code != 0 {
		t.Error(e)
	}
	contains(t, s.record("poststop").Steps[0].Error, "working directory "+gone, "does not exist")

	deleted := exec.Command("sh", "-c", `mkdir sub && cd sub && rmdir ../sub && exec "$@"`, "sh", s.binary, "run", "--", "sh", "-c", "exit 4")
	deleted.Dir = s.dir
	if e := s.begin(deleted).wait(t); e.code != 4 {
		t.Error(e)
	}
	if s.read("poststop") == "" {
		t.Error("poststop did not run in the deleted directory that podhook was started in")
	}
}
