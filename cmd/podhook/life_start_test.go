package main

import (
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/internal/testutil"
)

// What is broken stops the start with the reason, before anything runs.
func TestBrokenSettingsStopTheStart(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	hooks := "hooks: {prestart: {steps: [{" + note("prestart") + "}]}}\n"
	rows := map[string]struct{ yaml, env, flag, says string }{
		"variable":      {hooks, "PODHOOK_LISTENN=:80", "", `PODHOOK_LISTENN`},
		"value":         {hooks, "PODHOOK_GRACE_PERIOD=soon", "", `PODHOOK_GRACE_PERIOD: "soon"`},
		"field":         {strings.Replace(hooks, "steps", "stepps", 1), "", "", `did you mean "steps"`},
		"flag":          {hooks, "", "--prestart=later", "allowed are gate, background and off"},
		"port taken":    {hooks, "PODHOOK_LISTEN=" + taken.Addr().String(), "", "address already in use"},
		"no state":      {hooks, "PODHOOK_STATE_DIR=/proc/podhook", "", "/proc/podhook"},
		"gated by main": {"hooks: {prestart: {steps: [{signal: HUP}]}}\n", "", "", "use --prestart=background"},
	}
	tabled(t, rows, func(t *testing.T, row struct{ yaml, env, flag, says string }) {
		s := newSandbox(t, row.yaml)
		if row.env != "" {
			s.env = append(s.env, row.env)
		}
		args := []string{"--", "sh", "-c", "echo CMD >>$DIR/events"}
		if row.flag != "" {
			args = append([]string{row.flag}, args...)
		}
		e := s.once(args...)
		if e.code != 2 {
			t.Errorf("exit code %d, want 2", e.code)
		}
		contains(t, e.stderr, row.says)
		s.happened()
	})
}

// Probes and postStart have an answer from the beginning, and CMD waits.
func TestAgentAnswersWhilePrestartGates(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, "hooks:\n  prestart:\n    steps:\n    - "+script(`until [ -e "$DIR/go" ]; do sleep 0.02; done; echo prestart >>"$DIR/events"`)+"\n",
		"PODHOOK_LISTEN=127.0.0.1:0")
	l := s.live()
	if live, ready := l.get("/livez"), l.get("/readyz"); live != 200 || ready != 503 {
		t.Errorf("livez %d, readyz %d, want 200 and 503", live, ready)
	}
	s.happened()
	joined := make(chan int, 1)
	go func() { joined <- l.get("/prestart") }()
	s.write("go", "", 0o644)
	if status := <-joined; status != 200 {
		t.Errorf("postStart got %d", status)
	}
	s.happens("main starts")
	s.happened("prestart", "main starts")
	testutil.Eventually(t, "ready", func() bool { return l.get("/readyz") == 200 })
}

// CMD starts after prestart, alongside it, or without it.
func TestPrestartModes(t *testing.T) {
	t.Parallel()
	slow := "hooks:\n  prestart:\n    steps:\n    - " + script(`sleep 0.5; echo prestart >>"$DIR/events"`) + "\n"
	t.Run("gate", func(t *testing.T) {
		s := newSandbox(t, slow)
		s.served("--prestart=gate")
		s.happened("prestart", "main starts")
	})
	t.Run("background", func(t *testing.T) {
		s := newSandbox(t, slow)
		s.live("--prestart=background")
		s.happens("prestart")
		s.happened("main starts", "prestart")
	})
	t.Run("off", func(t *testing.T) {
		s := newSandbox(t, slow)
		l := s.served("--prestart=off")
		if e := l.exec("wait", "prestart", "--timeout", "0s"); e.code != 124 {
			t.Errorf("prestart has run: %v", e)
		}
		if e := l.exec("prestart"); e.code != 0 || strings.Contains(e.stdout, "already") {
			t.Errorf("postStart: %v", e)
		}
		s.happened("main starts", "prestart")
	})
}

// A prestart that fails ends the container: kubectl describe says why.
func TestFailedPrestart(t *testing.T) {
	t.Parallel()
	rows := map[string]struct {
		step, says string
		code       int
	}{
		"failed":      {"{name: render, " + script("echo no template; exit 7") + "}", "exited with code 7", 1},
		"timed out":   {"{name: render, timeout: 300ms, " + script("echo no template; sleep 1000") + "}", "timed out", 124},
		"not started": {"{name: render, exec: [/no/such/program]}", "/no/such/program", 1},
	}
	tabled(t, rows, func(t *testing.T, row struct {
		step, says string
		code       int
	}) {
		s := newSandbox(t, "hooks: {prestart: {steps: ["+row.step+"]}}\n")
		e := s.once("--", "sh", "-c", "echo CMD >>$DIR/events")
		if e.code != row.code {
			t.Errorf("exit code %d, want %d", e.code, row.code)
		}
		testutil.Within(t, e.elapsed, 0, 20*time.Second)
		contains(t, e.stdout, "hook=prestart", row.says, "main process not started")
		contains(t, s.read("termination"), "podhook: hook prestart", "step render", row.says)
		s.happened()
	})
}

// A state that fills up after the start fails prestart, and it is said why.
func TestPrestartThatCannotBeRecorded(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, "hooks: {prestart: {steps: [{"+note("prestart")+"}]}}\n")
	if err := os.MkdirAll(s.path("state/hooks/prestart/run.json"), 0o700); err != nil { // no file can be there
		t.Fatal(err)
	}
	e := s.once("--", "sh", "-c", "echo CMD >>$DIR/events")
	if e.code != 2 {
		t.Errorf("exit code %d, want 2", e.code)
	}
	contains(t, e.stdout, "main process not started", "state cannot be written")
	contains(t, s.read("termination"), "podhook: hook prestart failed", "state cannot be written")
	s.happened()
}

// A stop signal during prestart stops the step, and CMD is never started.
func TestStopWhilePrestartGates(t *testing.T) {
	t.Parallel()
	polite := script(`echo begins >>"$DIR/events"; sleep 1000`)
	stubborn := script(`trap "" TERM; setsid sh -c 'trap "" TERM; while :; do sleep 1; done' & echo begins >>"$DIR/events"; while :; do sleep 1; done`)
	rows := map[string]struct {
		sig   syscall.Signal
		step  string
		least time.Duration
	}{
		"TERM":              {syscall.SIGTERM, polite, 0},
		"INT":               {syscall.SIGINT, polite, 0},
		"TERM that is lost": {syscall.SIGTERM, stubborn, time.Second},
	}
	tabled(t, rows, func(t *testing.T, row struct {
		sig   syscall.Signal
		step  string
		least time.Duration
	}) {
		s := newSandbox(t, "hooks: {prestart: {steps: [{killAfter: 1s, "+row.step+"}], timeout: 50s}}\n")
		l := s.liveWith(nil, "sh", "-c", "echo CMD >>$DIR/events")
		s.happens("begins")
		began := time.Now()
		l.send(row.sig)
		l.ends(128 + int(row.sig))
		testutil.Within(t, time.Since(began), row.least, 20*time.Second)
		s.happened("begins")
		contains(t, s.read("log"), "outcome=interrupted", "stopped before the main process was started")
		s.gone()
	})
}

// The stop signal may come at any moment of the start: CMD that was started gets
// its shutdown and the signal, CMD that was not never starts.
func TestStopAtAnyMomentOfTheStart(t *testing.T) {
	t.Parallel()
	hooks := "hooks: {prestart: {steps: [{exec: [/bin/true]}]}, shutdown: {steps: [{" + note("shutdown") + "}]}}\n"
	early, late := 0, 0
	for i := range 40 {
		s := newSandbox(t, hooks, "PODHOOK_LISTEN=127.0.0.1:0")
		s.binary = plain
		l := s.liveWith(nil, "sh", "-c", `trap "echo TERM >>$DIR/events; exit 3" TERM; echo CMD >>$DIR/events; while :; do sleep 0.01; done`)
		l.agent()
		time.Sleep(time.Duration(i) * time.Millisecond / 2) // the moment is what varies
		began := time.Now()
		l.send(syscall.SIGTERM)
		e := l.run.wait(t)
		testutil.Within(t, time.Since(began), 0, 20*time.Second)
		switch events := strings.Join(s.events(), " "); {
		case e.code == 143 && events == "":
			early++
		case e.code == 3 && (events == "CMD shutdown TERM" || events == "shutdown CMD TERM"): // CMD was slow to say so
			late++
		case e.code == 143 && (events == "CMD shutdown" || events == "shutdown" || events == "shutdown CMD"): // before its trap
			late++
		default:
			t.Errorf("exit code %d, events %q, log %s", e.code, events, s.read("log"))
		}
	}
	t.Logf("%d before CMD, %d after", early, late)
}

// kubelet's postStart comes while prestart gates, or after it.
func TestExecJoinsTheGate(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, "hooks:\n  prestart:\n    steps:\n    - "+script(`echo prestart >>"$DIR/events"; until [ -e "$DIR/go" ]; do sleep 0.02; done`)+"\n")
	l := s.live()
	s.happens("prestart")
	joining := s.begin(l.enter(s.binary, "prestart"))
	s.write("go", "", 0o644)
	if e := joining.wait(t); e.code != 0 || !strings.Contains(e.stdout, "in a run that was going on") && !strings.Contains(e.stdout, "already") {
		t.Errorf("during the gate: %v", e)
	}
	s.happens("main starts")
	if e := l.exec("prestart"); e.code != 0 || !strings.Contains(e.stdout, "already") {
		t.Errorf("after the gate: %v", e)
	}
	s.happened("prestart", "main starts")
}

// Whoever joined a prestart that fails gets its outcome before PID 1 takes it along.
func TestExecThatJoinsAFailingGateIsTold(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, "hooks:\n  prestart:\n    steps:\n    - "+script(`echo prestart >>"$DIR/events"; until [ -e "$DIR/go" ]; do sleep 0.02; done; exit 7`)+"\n")
	l := s.live()
	s.happens("prestart")
	joining := s.begin(l.enter(s.binary, "prestart"))
	testutil.Eventually(t, "the exec waits for the run", func() bool { return s.waiters("state/hooks/prestart/run.json") == 1 })
	caller := children(joining.cmd.Process.Pid)[0]
	if err := syscall.Kill(caller, syscall.SIGSTOP); err != nil { // it is slower than PID 1
		t.Fatal(err)
	}
	s.write("go", "", 0o644)
	testutil.Eventually(t, "prestart has failed", func() bool { return strings.Contains(s.read("log"), "main process not started") })
	time.Sleep(200 * time.Millisecond) // by so much
	joining.signal(t, syscall.SIGCONT) // nsenter stops and goes on with its child
	_ = syscall.Kill(caller, syscall.SIGCONT)
	if e := joining.wait(t); e.code != 1 || !strings.Contains(e.stderr, "exited with code 7") {
		t.Errorf("the joining exec: %v", e)
	}
	l.ends(1)
}
