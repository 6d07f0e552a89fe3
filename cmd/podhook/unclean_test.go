package main

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/internal/testutil"
)

const recovering = `hooks:
  prestart:
    steps:
    - {name: recover, exec: [sh, -c, 'echo recover >>"$DIR/events"'], when: {unclean: true}}
    - {name: begin, exec: [sh, -c, 'echo begin >>"$DIR/events"; test ! -e "$DIR/bad"']}
`

// Under podhook run the step is run after a kill and a crash, and neither in the first
// start nor after a shutdown, which needs no steps for that.
func TestUncleanUnderRun(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, recovering)
	start := func() life {
		s.write("address", "", 0o644)
		return s.served()
	}
	s.expect(0, "check")
	l := start()
	s.happened("begin", "main starts")
	l.send(syscall.SIGKILL) // as the OOM killer does
	l.run.wait(t)

	l = start()
	contains(t, s.read("log"), `after="an unclean end"`)
	if rec := s.inside(l, "prestart"); !rec.Unclean {
		t.Errorf("%+v", rec)
	}
	l.send(syscall.SIGTERM)
	l.ends(serverCode)
	start().stop()
	s.happened("begin", "main starts", "recover", "begin", "main starts", "main gets SIGTERM", "begin", "main starts")

	s.write("events", "", 0o644)
	for range 2 { // CMD ends by itself: its start has no shutdown
		if e := s.once("--", "false"); e.code != 1 {
			t.Error(e)
		}
	}
	s.happened("recover", "begin", "recover", "begin")
}

// What was unclean stays so for each run of this start, whatever interrupts it, and
// whether shutdown is called meanwhile.
func TestUncleanIsNotLost(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, recovering)
	first := s.container(nil, "sleep", "1000")
	if e := first.exec("prestart"); e.code != 0 {
		t.Fatal(e)
	}
	first.stop()

	second := s.container(nil, "sleep", "1000")
	s.write("bad", "", 0o644)
	if e := second.exec("shutdown"); e.code != 0 {
		t.Fatal(e)
	}
	for range 2 {
		if e := second.exec("prestart"); e.code != 1 {
			t.Fatal(e)
		}
	}
	if err := os.Remove(s.path("bad")); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second one finds that it has succeeded
		if e := second.exec("prestart"); e.code != 0 {
			t.Fatal(e)
		}
	}
	s.happened("begin", "recover", "begin", "recover", "begin", "recover", "begin")

	// The shutdown before prestart is not the end of this start.
	second.stop()
	third := s.container(nil, "sleep", "1000")
	if e := third.exec("prestart"); e.code != 0 || !s.inside(life{third}, "prestart").Unclean {
		t.Error(e)
	}
	if e := third.exec("shutdown"); e.code != 0 {
		t.Error(e)
	}
	third.stop()
	// A crash of the machine can leave a torn file.
	for _, hook := range []string{"shutdown", "prestart"} {
		s.write("state/hooks/"+hook+"/run.json", "\x00\x00", 0o600)
		fourth := s.container(nil, "sleep", "1000")
		if e := fourth.exec("prestart"); e.code != 0 || !s.inside(life{fourth}, "prestart").Unclean {
			t.Errorf("torn record of %s: %v", hook, e)
		}
		fourth.stop()
	}
}

// The start of the main container is what counts in a sidecar that sees it.
func TestUncleanBesideTheMainContainer(t *testing.T) {
	t.Parallel()
	p := newSidecarPod(t, recovering)
	p.serve()
	first := p.web()
	p.call()
	p.restart() // of the sidecar alone
	p.call()
	p.end(first)
	second := p.web()
	p.call()
	p.happened("begin", "recover", "begin")
	if a := p.agent.get("/shutdown"); a.Outcome != "succeeded" {
		t.Errorf("%+v", a)
	}
	p.end(second)
	p.web()
	p.call()
	p.happened("begin", "recover", "begin", "begin")
}

// A peer that waits for the marker, which an earlier start has left, goes on when prestart
// of this start has succeeded, and not before.
func TestPeerOfAStaleMarker(t *testing.T) {
	for name, start := range map[string]func(*sandbox) *isolated{
		"run":   func(s *sandbox) *isolated { return s.liveWith(nil, "sleep", "1000").isolated },
		"serve": func(s *sandbox) *isolated { return s.serving().isolated },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSandbox(t, `hooks:
  prestart: {marker: "${DIR}/marker", steps: [{exec: [sh, -c, 'echo begun >>"$DIR/events"']}, {wait: {file: "${DIR}/go"}}]}
  shutdown: {marker: "${DIR}/left", steps: [{remove: "${DIR}/nothing"}]}
`, "PODHOOK_LISTEN=127.0.0.1:0")
			s.write("marker", "prestart of an earlier start\n", 0o644)
			s.write("left", "shutdown of an earlier start\n", 0o644)
			c := start(s)
			if name == "run" {
				s.happens("begun")
			}
			for _, marker := range []string{"marker", "left"} {
				if _, err := os.Stat(s.path(marker)); !os.IsNotExist(err) {
					t.Errorf("%s: %v", marker, err)
				}
			}
			peer := s.start("wait", "--file", s.path("marker"), "--timeout", "1m")
			if name == "serve" {
				called := s.begin(c.enter(s.binary, "prestart"))
				s.happens("begun")
				defer called.wait(t)
			}
			if e := s.run("wait", "--file", s.path("marker"), "--timeout", "300ms"); e.code != 124 || peer.over() {
				t.Errorf("went on before prestart had succeeded: %v", e)
			}
			s.write("go", "", 0o644)
			if e := peer.wait(t); e.code != 0 {
				t.Error(e)
			}
			testutil.Eventually(t, "prestart has succeeded", func() bool { return s.inside(life{c}, "prestart").Outcome == "succeeded" })
		})
	}
}

// A hook without steps has its marker too.
func TestStaleMarkerOfAHookWithoutSteps(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, `hooks: {prestart: {marker: "${DIR}/marker"}, own: {marker: "${DIR}/own"}}`)
	s.write("marker", "of an earlier start\n", 0o644)
	s.write("own", "of an earlier start\n", 0o644)
	if e := s.once("--", "true"); e.code != 0 {
		t.Error(e)
	}
	if text := s.read("marker"); !strings.HasPrefix(text, "prestart ") || s.exists("own") {
		t.Errorf("the marker of prestart is %q, the other one there: %t", text, s.exists("own"))
	}
}

// The end of the main container takes its markers away, before anybody calls its next
// prestart.
func TestMarkerOfAMainContainerThatHasEnded(t *testing.T) {
	t.Parallel()
	p := newSidecarPod(t, `hooks: {prestart: {marker: "${DIR}/marker", steps: [{remove: "${DIR}/nothing"}]}}`)
	p.serve()
	for _, start := range []func() *isolated{p.web, p.entry} { // the main process is the first one of its container, or another one
		p.write("go", "", 0o644)
		c := start()
		testutil.Eventually(t, "the main process is found", func() bool { return strings.Contains(p.agent.exec("status").stdout, "(web)") })
		p.call()
		if !p.exists("marker") {
			t.Error("no marker")
		}
		p.end(c)
		testutil.Eventually(t, "the marker is gone", func() bool { return !p.exists("marker") })
	}
}

// A state in the container's own file system knows nothing of the start before.
func TestUncleanStateThatDoesNotOutliveTheStart(t *testing.T) {
	t.Parallel()
	own := filepath.Join("/dev/shm", "podhook-"+rand.Text())
	t.Cleanup(func() { os.RemoveAll(own) })
	for dir, warns := range map[string]bool{own: device(t, "/dev/shm") == device(t, "/"), t.TempDir(): device(t, os.TempDir()) == device(t, "/")} {
		s := newSandbox(t, recovering, "PODHOOK_STATE_DIR="+dir)
		s.served().stop()
		if warned := strings.Contains(s.read("log"), "the state in "+dir+" does not outlive a restart"); warned != warns {
			t.Errorf("state in %s: warned %t, want %t\n%s", dir, warned, warns, s.read("log"))
		}
	}
}

func device(t *testing.T, path string) uint64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return uint64(st.Dev)
}
