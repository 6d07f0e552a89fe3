package main

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/podhook/podhook/internal/testutil"
)

func TestTiniCommandLine(t *testing.T) {
	if _, err := os.Stat("/etc/alpine-release"); err == nil {
		t.Skip("Alpine's getopt never permutes")
	}
	inPlaceOf(t, "tini", optionTable{
		{"", "-vg true", 0, "..."},
		{"", "-e 3 -- sh -c exit_3", 0, ""},
		{"", "-e3 -- sh -c exit_3", 0, ""},
		{"", "-gse 3 -e 4 -- sh -c exit_4", 0, ""},
		{"", "-e 3 -- sh -c exit_4", 4, ""},
		{"", "-pSIGKILL -- sh -c exit_5", 5, ""},
		{"", "sh -c exit_3", 1, ""}, // -c is read as an option of tini
		{"POSIXLY_CORRECT=", "sh -c exit_3", 3, ""},
		{"", "-s echo a -- -b", 0, "a -b\n"},
		{"POSIXLY_CORRECT=", "-s echo a -- -b", 0, "a -- -b\n"},
		{"", "echo -s a -g", 0, "a\n"},
		{"", "-s -- echo -- x", 0, "-- x\n"},
		{"", "echo - x", 0, "- x\n"},
		{"", "", 1, ""},
		{"", "-s", 1, ""},
		{"", "-x true", 1, ""},
		{"", "-p", 1, ""},
		{"", "-p NONE true", 1, ""},
		{"", "-e 256 true", 1, ""},
		{"", "-e x true", 1, ""},
		{"", "--version true", 1, ""},
		{"", "-h", 0, "..."},
		{"", "-l", 0, "..."},
		{"", "-- /nowhere/to/be/found", 127, ""},
		{"", "-- /etc/passwd", 126, ""},
	}.check)
}

// dockerd reads the version of docker-init.
func TestTiniVersion(t *testing.T) {
	inPlaceOf(t, "tini", func(t *testing.T, s *sandbox) {
		e := s.expect(0, "--version")
		before, _, _ := strings.Cut(e.stdout, " - ")
		if strings.TrimSpace(before) != "tini version 0.19.0" {
			t.Error(e)
		}
	})
}

func TestTiniRemapsExitCodes(t *testing.T) {
	testutil.Slow(t)
	inPlaceOf(t, "tini", func(t *testing.T, s *sandbox) {
		for code := 0; code < 256; code += 5 {
			exit := []string{"--", "sh", "-c", "exit " + strconv.Itoa(code)}
			s.expect(0, append([]string{"-e", strconv.Itoa(code)}, exit...)...)
			var others []string
			for other := range 256 {
				if other != code {
					others = append(others, "-e", strconv.Itoa(other))
				}
			}
			s.expect(code, append(others, exit...)...)
		}
	})
}

// reaped leaves an orphan and waits until it is reaped, whose parent is whoever takes it.
const reaped = `(sh -c 'echo $$ > $DIR/orphan' &); until [ -s $DIR/orphan ] && ! [ -d /proc/$(cat $DIR/orphan) ]; do sleep 0.01; done`

func TestTiniReaps(t *testing.T) {
	inPlaceOf(t, "tini", func(t *testing.T, s *sandbox) {
		for _, c := range []struct {
			env, args     string
			warns, reaped bool
		}{
			{"", "-s", false, false},
			{"", "-s -w", false, true},
			{"TINI_SUBREAPER=", "-w", false, true},
			{"", "-w", true, false},
			{"TINI_VERBOSITY=0", "", false, false},
			{"TINI_VERBOSITY=0", "-v -s -w", false, false},
			{"TINI_VERBOSITY=1", "", true, false},
		} {
			s.write("orphan", "", 0o644)
			e := s.with(c.env).expect(0, append(strings.Fields(c.args), "--", "sh", "-c", reaped)...)
			warns := strings.Contains(e.stderr, "zombie reaping won't work") || strings.Contains(e.stderr, "orphans of CMD are not reaped")
			orphan := strings.TrimSpace(s.read("orphan"))
			told := strings.Contains(e.stderr, "pid="+orphan) || strings.Contains(e.stderr, "reaped orphan "+orphan)
			if warns != c.warns || told != c.reaped {
				t.Errorf("%s %s: %v", c.env, c.args, e)
			}
			if !c.warns && !c.reaped && e.stderr != "" {
				t.Errorf("%s %s: %v", c.env, c.args, e)
			}
		}
	})
}

func TestTiniForwards(t *testing.T) {
	inPlaceOf(t, "tini", func(t *testing.T, s *sandbox) {
		for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2} {
			s.write("ready", "", 0o644)
			r := s.start("--", "sh", "-c", "echo yes > $DIR/ready; exec sleep 1000")
			s.awaitFile("ready")
			r.signal(t, sig)
			if e := r.wait(t); e.code != 128+int(sig) {
				t.Error(e)
			}
		}
	})
}

// The program catches USR1 and goes on when its child, which does not, has ended.
func TestTiniSignalsGroup(t *testing.T) {
	inPlaceOf(t, "tini", func(t *testing.T, s *sandbox) {
		const command = `trap : USR1; sh -c 'echo yes > $DIR/ready; exec sleep 1000'; exit 5`
		for env, args := range map[string][]string{"TINI_KILL_PROCESS_GROUP=": nil, "X=": {"-g"}} {
			s.write("ready", "", 0o644)
			r := s.with(env).start(append(args, "--", "sh", "-c", command)...)
			s.awaitFile("ready")
			r.signal(t, syscall.SIGUSR1)
			if e := r.wait(t); e.code != 5 {
				t.Errorf("%s %v: %v", env, args, e)
			}
		}
	})
}

func TestTiniTellsMore(t *testing.T) {
	inPlaceOf(t, "tini", func(t *testing.T, s *sandbox) {
		for args, tells := range map[string]bool{"-s": false, "-sv": true} {
			e := s.expect(0, args, "--", "true")
			if said := e.stdout+e.stderr != ""; said != tells {
				t.Errorf("%s: %v", args, e)
			}
		}
	})
}
