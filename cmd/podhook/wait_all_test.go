package main

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/internal/testutil"
)

// leaves is a program that ends with code 6 and leaves one behind, which writes what it
// gets into the file events, and does then on TERM.
func leaves(then string) []string {
	left := `trap 'echo left gets TERM >> $DIR/events; ` + then + `' TERM; echo $$ > $DIR/left; while :; do sleep 0.02; done`
	return []string{"sh", "-c", `setsid sh -c "$1" >/dev/null 2>&1 & until [ -s $DIR/left ]; do sleep 0.01; done; echo main ends >> $DIR/events; exit 6`, "sh", left}
}

// What CMD leaves behind gets TERM, even if it is stopped, and its time.
func TestWaitAll(t *testing.T) {
	t.Parallel()
	for name, then := range map[string]string{
		"ends":           "sleep 0.3; echo left ends >> $DIR/events; exit",
		"leaves another": "(sleep 0.3; echo left ends >> $DIR/events) & exit",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSandbox(t, "hooks: {poststop: {steps: [{"+script("echo poststop >> $DIR/events")+"}]}}\n")
			began := time.Now()
			e := s.expect(6, append([]string{"run", "--wait-all=35s", "--"}, leaves(then)...)...)
			testutil.Within(t, time.Since(began), 300*time.Millisecond, 30*time.Second)
			if got := s.read("events"); got != "main ends\nleft gets TERM\nleft ends\npoststop\n" {
				t.Errorf("%s\n%v", got, e)
			}
		})
	}
	t.Run("is stopped", func(t *testing.T) {
		t.Parallel()
		s := newSandbox(t, "")
		e := s.expect(0, "run", "--wait-all=35s", "--", "sh", "-c", "sleep 1000 & kill -STOP $!")
		testutil.Within(t, e.elapsed, 0, 30*time.Second)
		if n := len(s.alive()); n != 0 {
			t.Errorf("%d live", n)
		}
	})
	t.Run("nothing", func(t *testing.T) {
		t.Parallel()
		s := newSandbox(t, "")
		e := s.expect(5, "run", "--wait-all=35s", "--", "sh", "-c", "exit 5")
		testutil.Within(t, e.elapsed, 0, 30*time.Second)
		if e.stdout+e.stderr != "" {
			t.Error(e)
		}
	})
}

// Without the flag nothing is waited for.
func TestWithoutWaitAll(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, "")
	s.expect(6, append([]string{"run", "--"}, leaves("exit")...)...)
	if got := s.read("events"); got != "main ends\n" || len(s.alive()) == 0 {
		t.Errorf("%s, %d live", got, len(s.alive()))
	}
}

// What does not end in time is killed.
func TestWaitAllKills(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, "")
	e := s.expect(6, append([]string{"run", "--wait-all=700ms", "--"}, leaves(":")...)...)
	testutil.Within(t, e.elapsed, 700*time.Millisecond, 30*time.Second)
	if got := s.read("events"); got != "main ends\nleft gets TERM\n" {
		t.Error(got)
	}
	if n := len(s.alive()); n != 0 {
		t.Errorf("%d live", n)
	}
	contains(t, e.stdout, "outlived --wait-all")
}

// The grace period bounds it, and poststop gets what a CMD that is killed leaves it.
func TestWaitAllWithinGracePeriod(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, "hooks: {poststop: {steps: [{"+script("echo poststop >> $DIR/events")+"}]}}\n",
		"PODHOOK_GRACE_PERIOD=4s", "PODHOOK_GRACE_MARGIN=1s")
	command := leaves(":")
	command[2] = strings.Replace(command[2], "echo main ends", `trap "echo main ends >> $DIR/events; exit 6" TERM; echo up > $DIR/up; while :; do sleep 0.02; done; echo`, 1)
	r := s.start(append([]string{"run", "--wait-all=60s", "--"}, command...)...)
	s.awaitFile("up")
	began := time.Now()
	r.signal(t, syscall.SIGTERM)
	e := r.wait(t)
	if got := s.read("events"); e.code != 6 || got != "main ends\nleft gets TERM\npoststop\n" {
		t.Errorf("%s\n%v", got, e)
	}
	testutil.Within(t, time.Since(began), 3*time.Second-100*time.Millisecond, 20*time.Second)
}

// As PID 1, whose end kills the rest.
func TestWaitAllAsPID1(t *testing.T) {
	t.Parallel()
	needsRoot(t)
	for then, events := range map[string]string{
		"sleep 0.3; echo left ends >> $DIR/events; exit": "main ends\nleft gets TERM\nleft ends\n",
		":": "main ends\nleft gets TERM\n",
	} {
		s := newSandbox(t, "")
		words := append([]string{"--pid", "--mount-proc", "--fork", "--kill-child", "--", s.binary, "run", "--wait-all=1s", "--"}, leaves(then)...)
		e := s.begin(exec.Command("unshare", words...)).wait(t)
		if got := s.read("events"); e.code != 6 || got != events {
			t.Errorf("%s\n%v", got, e)
		}
		testutil.Within(t, e.elapsed, 300*time.Millisecond, 30*time.Second)
		s.gone()
	}
}

func TestWaitAllFlag(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, "")
	for text, want := range map[string]string{"5": "5", "-5s": "more than 0s is needed", "0s": "more than 0s is needed", "x": "x"} {
		contains(t, s.expect(2, "run", "--wait-all="+text, "--", "true").stderr, "--wait-all", want)
	}
}
