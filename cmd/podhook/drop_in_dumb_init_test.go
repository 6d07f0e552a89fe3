package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/podhook/podhook/internal/testutil"
)

func TestDumbInitCommandLine(t *testing.T) {
	inPlaceOf(t, "dumb-init", optionTable{
		{"", "", 1, ""},
		{"", "-c", 1, ""},
		{"", "--yolo true", 1, ""},
		{"", "-x true", 1, ""},
		{"", "--ver true", 1, ""}, // --verbose or --version
		{"", "--verb true", 0, ""},
		{"", "--verbose=x true", 1, ""},
		{"", "--help", 0, ""},
		{"", "-h", 0, ""},
		{"", "-V", 0, ""},
		{"", "--version", 0, ""},
		{"", "-r", 1, ""},
		{"", "-r herp true", 1, ""},
		{"", "-r herp:derp true", 1, ""},
		{"", "-r 15 true", 1, ""},
		{"", "-r 15::12 true", 1, ""},
		{"", "-r 15:derp true", 1, ""},
		{"", "-r 15:12 -r", 1, ""},
		{"", "-r 15:12 -r 0 true", 1, ""},
		{"", "-r 15:12 -r 1:32 true", 1, ""},
		{"", "-cr15:3 true", 0, ""},
		{"", "--rewrite=15:3 true", 0, ""},
		{"", "--rewrite 15:0 echo x", 0, "x\n"},
		{"", "echo -v -- x", 0, "-v -- x\n"},
		{"", "-- echo x", 0, "x\n"},
		{"", "/nowhere/to/be/found", 2, ""},
		{"", "-c -- /nowhere/to/be/found", 2, ""},
		{"", "/etc/passwd", 2, ""},
		{"", "sh -c exit_32", 32, ""},
		{"DUMB_INIT_SETSID=0", "sh -c exit_255", 255, ""},
		{"", "sh -c kill_-TERM_$$", 143, ""},
		{"", "-c sh -c kill_-KILL_$$", 137, ""},
	}.check)
}

func TestDumbInitTells(t *testing.T) {
	inPlaceOf(t, "dumb-init", func(t *testing.T, s *sandbox) {
		e := s.expect(0, "-V")
		contains(t, e.stderr, "dumb-init v1.2.5")
		for args, tells := range map[string]bool{"--": false, "-c": false, "-v": true, "--verbose": true} {
			e := s.expect(0, args, "echo", "oh, hi")
			if e.stdout != "oh, hi\n" || (e.stderr != "") != tells {
				t.Errorf("%s: %v", args, e)
			}
		}
		if e := s.with("DUMB_INIT_DEBUG=1").expect(0, "true"); e.stderr == "" {
			t.Error(e)
		}
	})
}

// The program starts where dumb-init was started, which itself leaves that directory.
func TestDumbInitDirectory(t *testing.T) {
	inPlaceOf(t, "dumb-init", func(t *testing.T, s *sandbox) {
		cmd := s.command("sh", "-c", "until [ $(readlink /proc/$PPID/cwd) = / ]; do sleep 0.01; done; readlink /proc/$$/cwd")
		cmd.Dir = s.dir
		if e := s.begin(cmd).wait(t); e.code != 0 || e.stdout != s.dir+"\n" {
			t.Error(e)
		}
	})
}

// setsidModes are the ways to run with and without a session.
func setsidModes(s *sandbox) map[bool]*sandbox {
	return map[bool]*sandbox{true: s.with("DUMB_INIT_SETSID=1"), false: s.with("DUMB_INIT_SETSID=0")}
}

func TestDumbInitSignalsSession(t *testing.T) {
	inPlaceOf(t, "dumb-init", func(t *testing.T, s *sandbox) {
		for session, s := range setsidModes(s) {
			s.write("ready", "", 0o644)
			r := s.start("sh", "-c", "yes | tail >/dev/null & echo $! > $DIR/ready; sleep 1000")
			s.awaitFile("ready")
			testutil.Eventually(t, "all run", func() bool { return s.count("yes") == 1 && s.count("tail") == 1 && s.count("sleep 1000") == 1 })
			r.signal(t, syscall.SIGTERM)
			left := func() int { return s.count("yes") + s.count("tail") + s.count("sleep 1000") }
			if session {
				testutil.Eventually(t, "all have ended", func() bool { return left() == 0 })
			} else {
				testutil.Eventually(t, "the shell has ended", func() bool { return len(s.alive()) == 3 })
				if left() != 3 {
					t.Errorf("%d of the shell's children live", left())
				}
				for _, pid := range s.alive() {
					_ = syscall.Kill(pid, syscall.SIGKILL)
				}
			}
			if e := r.wait(t); e.code != 143 {
				t.Error(e)
			}
		}
	})
}

// At the end of the program its session gets TERM, or what TERM is rewritten to.
func TestDumbInitEndsSession(t *testing.T) {
	const command = `sh -c 'trap "echo TERM > $DIR/got; exit" TERM; trap "echo USR2 > $DIR/got; exit" USR2; trap "echo USR1 > $DIR/got; exit" USR1
echo $$ > $DIR/ready; while :; do sleep 0.02; done' >/dev/null 2>&1 & until [ -s $DIR/ready ]; do sleep 0.01; done; exit 6`
	inPlaceOf(t, "dumb-init", func(t *testing.T, s *sandbox) {
		for _, c := range []struct{ args, gets string }{{"--", "TERM"}, {"-r15:12", "USR2"}, {"-r15:0", ""}, {"-c", ""}} {
			s.write("ready", "", 0o644)
			s.write("got", "", 0o644)
			s.expect(6, c.args, "sh", "-c", command)
			if c.gets == "" { // USR1 comes after anything that came before it
				pid, _ := strconv.Atoi(s.awaitFile("ready"))
				_ = syscall.Kill(pid, syscall.SIGUSR1)
				c.gets = "USR1"
			}
			if got := s.awaitFile("got"); got != c.gets {
				t.Errorf("%s: %s, want %s", c.args, got, c.gets)
			}
		}
	})
}

// listener tells in the file events which signals it gets. It has no children.
type signalListener struct {
	*running
	s     *sandbox
	pid   int
	heard int
}

func (s *sandbox) listen(args ...string) *signalListener {
	s.t.Helper()
	for _, name := range []string{"events", "ready"} {
		s.write(name, "", 0o644)
	}
	_ = os.Remove(s.path("fifo"))
	if err := syscall.Mkfifo(s.path("fifo"), 0o600); err != nil {
		s.t.Fatal(err)
	}
	l := &signalListener{s: s}
	l.running = s.start(append(args, "bash", "-c", `for n in {1..31}; do trap "echo $n >> $DIR/events" $n; done 2>/dev/null
exec 9<>$DIR/fifo; echo $$ > $DIR/ready; while :; do read -t 0.1 -u 9; done`)...)
	l.pid, _ = strconv.Atoi(s.awaitFile("ready"))
	return l
}

// hears waits for the next signals that the listener gets.
func (l *signalListener) hears(signals ...syscall.Signal) {
	l.s.t.Helper()
	for _, sig := range signals {
		var lines []string
		testutil.Eventually(l.s.t, sig.String()+" is told", func() bool {
			lines = strings.Fields(l.s.read("events"))
			return len(lines) > l.heard
		})
		if lines[l.heard] != strconv.Itoa(int(sig)) {
			l.s.t.Errorf("it got signal %s, want %d", lines[l.heard], int(sig))
		}
		l.heard++
	}
}

func (l *signalListener) end() {
	_ = syscall.Kill(l.pid, syscall.SIGKILL)
	l.wait(l.s.t)
}

var suspending = []syscall.Signal{syscall.SIGTSTP, syscall.SIGTTOU, syscall.SIGTTIN}

func TestDumbInitForwards(t *testing.T) {
	inPlaceOf(t, "dumb-init", func(t *testing.T, s *sandbox) {
		for _, s := range setsidModes(s) {
			l := s.listen()
			for sig := syscall.Signal(1); sig <= 31; sig++ {
				switch sig {
				case syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGCHLD, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU:
					continue
				case syscall.SIGURG, syscall.SIGPROF, syscall.SIGILL, syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGFPE:
					continue // agent/supervisor tests them; not every bash traps them
				}
				l.signal(t, sig)
				l.hears(sig)
			}
			l.end()
		}
	})
}

func TestDumbInitRewrites(t *testing.T) {
	inPlaceOf(t, "dumb-init", func(t *testing.T, s *sandbox) {
		for _, c := range []struct{ args, sent, got string }{
			{"-r 15:2", "15 3 18 2", "2 3 18 2"},
			{"-r 15:2 -r 2:15 -r 3:3", "15 3 18 2", "2 3 18 15"},
			{"-r 1:31 -r 31:1", "1 31", "31 1"},
			{"-r 15:3 -r 2:0 -r 28:0", "15", "3"},
			{"-r 2:0 -r 28:0", "2 28 1", "- - 1"},
			{"-c --rewrite 15:10", "15", "10"},
		} {
			l := s.listen(strings.Fields(c.args)...)
			got := strings.Fields(c.got)
			for i, sent := range strings.Fields(c.sent) {
				number, _ := strconv.Atoi(sent)
				l.signal(t, syscall.Signal(number))
				if want, err := strconv.Atoi(got[i]); err == nil {
					l.hears(syscall.Signal(want))
				}
			}
			l.end()
		}
	})
}

// With a session both stop; without one the program gets the signal, and only dumb-init
// stops. A rewriting replaces only what the program gets.
func TestDumbInitStopsWithProgram(t *testing.T) {
	inPlaceOf(t, "dumb-init", func(t *testing.T, s *sandbox) {
		for _, c := range []struct {
			args string
			gets map[syscall.Signal]syscall.Signal // 0: it stops
		}{
			{"--", map[syscall.Signal]syscall.Signal{}},
			{"-c", map[syscall.Signal]syscall.Signal{syscall.SIGTSTP: syscall.SIGTSTP, syscall.SIGTTOU: syscall.SIGTTOU, syscall.SIGTTIN: syscall.SIGTTIN}},
			{"-r 21:15 -r 22:2 -r 20:1", map[syscall.Signal]syscall.Signal{syscall.SIGTSTP: syscall.SIGHUP, syscall.SIGTTOU: syscall.SIGINT, syscall.SIGTTIN: syscall.SIGTERM}},
		} {
			l := s.listen(strings.Fields(c.args)...)
			for _, sig := range suspending {
				l.signal(t, sig)
				if gets := c.gets[sig]; gets != 0 {
					l.hears(gets)
				} else {
					testutil.Eventually(t, "the program has stopped", func() bool { return isStopped(l.pid) })
				}
				what := fmt.Sprintf("it has stopped itself for signal %d with %s", int(sig), c.args)
				testutil.Eventually(t, what, func() bool { return isStopped(l.cmd.Process.Pid) })
				l.signal(t, syscall.SIGCONT)
				l.hears(syscall.SIGCONT)
				if isStopped(l.cmd.Process.Pid) || isStopped(l.pid) {
					t.Errorf("%s: it has not been continued", what)
				}
			}
			l.end()
		}
	})
}
