package agent

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/agent/door"
	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/internal/testutil"
)

// served is an agent in Serve.
type served struct {
	*world
	stops  chan os.Signal
	cancel context.CancelFunc
	ended  chan error
}

func serve(t *testing.T, yaml string, choices ...choice) *served {
	t.Helper()
	w := newWorld(t, yaml, choices...)
	l, err := door.Listen("127.0.0.1:0", 100, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.url = "http://" + l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	s := &served{world: w, stops: make(chan os.Signal, 3), cancel: cancel, ended: make(chan error, 1)}
	left := make(chan struct{})
	go func() {
		defer close(left)
		s.ended <- w.agent.Serve(ctx, Doors{Main: l}, s.stops)
	}()
	t.Cleanup(func() {
		cancel()
		l.Close()
		<-left
	})
	w.is("/livez", 200)
	return s
}

func (s *served) stop() { s.stops <- syscall.SIGTERM }

// leaves checks that Serve has returned without an error, so long after began.
func (s *served) leaves(began time.Time, least, most time.Duration) {
	s.t.Helper()
	select {
	case err := <-s.ended:
		if err != nil {
			s.t.Errorf("Serve says %v", err)
		}
		testutil.Within(s.t, time.Since(began), least, most)
	case <-time.After(most):
		s.t.Fatalf("the agent is there after %v", most)
	}
	if _, err := s.do("GET", "/livez", ""); err == nil {
		s.t.Error("the agent answers after its end")
	}
}

func (s *served) stays(what string) {
	s.t.Helper()
	select {
	case err := <-s.ended:
		s.t.Fatalf("%s: the agent has left: %v", what, err)
	case <-time.After(100 * time.Millisecond):
	}
}

func (s *served) shutdownRecord() state.Record {
	s.t.Helper()
	rec, _, err := s.openStore().Hook(config.Shutdown).Read()
	if err != nil {
		s.t.Fatal(err)
	}
	return rec
}

// patient waits longer for a late caller than any test does.
func patient(w *world) { w.agent.lateCaller = 25 * time.Second }

const quick = `{hooks: {shutdown: {steps: [{exec: [sh, -c, 'echo run >>$DIR/runs']}]}}}`

func TestStopSignalRunsShutdownAndWaitsForALateCaller(t *testing.T) {
	s := serve(t, quick)
	began := time.Now()
	s.stop()
	testutil.Eventually(t, "the shutdown has run", func() bool { return s.shutdownRecord().Outcome == state.Succeeded })
	s.ready(false, "the agent was told to stop")
	s.leaves(began, lateCaller, lateCaller+8*time.Second)
	if rec := s.shutdownRecord(); rec.Trigger != state.TriggerSignal || len(s.lines("runs")) != 1 {
		t.Errorf("the record is %+v after %d runs", rec, len(s.lines("runs")))
	}
	if s.logs.count("stop signal received", "signal=SIGTERM") != 1 {
		t.Errorf("the log does not say why:\n%s", s.logs)
	}
}

func TestLateCallerIsAnsweredAndEndsTheWaiting(t *testing.T) {
	s := serve(t, quick, patient)
	began := time.Now()
	s.stop()
	testutil.Eventually(t, "the shutdown has run", func() bool { return s.shutdownRecord().Outcome == state.Succeeded })
	s.stays("nobody has called yet")
	if a := s.get("/shutdown").run(t); a.Outcome != state.Succeeded || !a.Already || a.Trigger != state.TriggerSignal {
		t.Errorf("the late caller is answered %+v", a)
	}
	s.leaves(began, 0, 15*time.Second)
}

// A preStop that was answered before the stop signal was the caller.
func TestCallerBeforeTheStopSignal(t *testing.T) {
	s := serve(t, quick, patient)
	s.is("/shutdown", 200)
	began := time.Now()
	s.stop()
	s.leaves(began, 0, 15*time.Second)
	if len(s.lines("runs")) != 1 {
		t.Errorf("shutdown was run %d times", len(s.lines("runs")))
	}
}

// One of an earlier restart of the main container was not.
func TestOldCallIsNotTheLateCaller(t *testing.T) {
	var a shutdownCalls
	answered := func(since time.Time) bool {
		select {
		case <-a.since(since):
			return true
		default:
			return false
		}
	}
	began := time.Now()
	if answered(began) {
		t.Error("answered before there was a call")
	}
	waiting := a.since(began)
	a.answer()
	<-waiting
	if !answered(began) || answered(time.Now()) {
		t.Errorf("a call now counts since before: %t, since after: %t; want true, false", answered(began), answered(time.Now()))
	}
	a.answer()
}

func TestStopSignalJoinsTheRunOfACaller(t *testing.T) {
	s := serve(t, waits)
	answered := make(chan reply, 1)
	go func() {
		r, err := s.do("GET", "/shutdown", kubelet)
		if err != nil {
			t.Error(err)
		}
		answered <- r
	}()
	testutil.Eventually(t, "the hook runs", func() bool { return len(s.lines("runs")) == 1 })
	s.stop()
	s.stays("the hook runs")
	began := time.Now()
	s.write(s.dir+"/go", "")
	if r := <-answered; r.status != 200 || r.run(t).Trigger != state.TriggerHTTP {
		t.Errorf("the caller is answered %d %s", r.status, r.body)
	}
	s.leaves(began, 0, 8*time.Second)
	if len(s.lines("runs")) != 1 || len(s.lines("done")) != 1 {
		t.Errorf("begun %d times, done %d times", len(s.lines("runs")), len(s.lines("done")))
	}
}

// What the run of a caller has skipped before the stop signal is run after it.
func TestStopSignalRunsWhatAJoinedRunOwes(t *testing.T) {
	s := serve(t, `{hooks: {shutdown: {steps: [{exec: [sh, -c, 'touch $DIR/owed'], when: {podEnds: true}}, {exec: [sh, -c, 'echo run >>$DIR/runs; until [ -e $DIR/go ]; do sleep 0.02; done']}]}}}`)
	s.agent.Runner.Options.OwnContainer = true
	answered := make(chan reply, 1)
	go func() {
		r, err := s.do("GET", "/shutdown", "")
		if err != nil {
			t.Error(err)
		}
		answered <- r
	}()
	testutil.Eventually(t, "the hook runs", func() bool { return len(s.lines("runs")) == 1 })
	s.stop()
	testutil.Eventually(t, "the stop signal is taken", func() bool { return s.logs.count("stop signal received") == 1 })
	s.write(s.dir+"/go", "")
	if r := <-answered; r.status != 200 {
		t.Errorf("the caller is answered %d %s", r.status, r.body)
	}
	s.leaves(time.Now(), 0, 8*time.Second)
	if _, err := os.Stat(s.dir + "/owed"); err != nil || len(s.lines("runs")) != 1 {
		t.Errorf("%v; the other step was run %d times", err, len(s.lines("runs")))
	}
}

// An exec'd preStop's run is joined too.
func TestStopSignalJoinsTheRunOfAnotherProcess(t *testing.T) {
	testutil.Slow(t)
	s := serve(t, waits)
	ran := make(chan error, 1)
	go func() {
		_, err := s.newRunner(context.Background()).Call(context.Background(), config.Shutdown, hooks.Request{Trigger: state.TriggerExec})
		ran <- err
	}()
	testutil.Eventually(t, "the hook runs", func() bool { return len(s.lines("runs")) == 1 })
	s.ready(false, "shutdown: running")
	s.stop()
	s.stays("the hook runs")
	s.write(s.dir+"/go", "")
	if err := <-ran; err != nil {
		t.Error(err)
	}
	s.leaves(time.Now(), 0, lateCaller+8*time.Second)
	if rec := s.shutdownRecord(); rec.Trigger != state.TriggerExec || len(s.lines("runs")) != 1 {
		t.Errorf("the record is %+v after %d runs", rec, len(s.lines("runs")))
	}
}

// Who waits for another hook has its answer too.
func TestStopLetsOtherRunsEnd(t *testing.T) {
	testutil.Slow(t)
	s := serve(t, `{hooks: {backup: {steps: [{exec: [sh, -c, 'echo run >>$DIR/runs; until [ -e $DIR/go ]; do sleep 0.02; done']}]}}}`)
	answered := make(chan reply, 1)
	go func() {
		r, err := s.do("GET", "/hooks/backup", "")
		if err != nil {
			t.Error(err)
		}
		answered <- r
	}()
	testutil.Eventually(t, "the hook runs", func() bool { return len(s.lines("runs")) == 1 })
	s.stop()
	s.is("/shutdown", 200) // ends the wait for a late caller
	for range 20 {         // longer than what the last answers have
		s.stays("another hook runs")
	}
	s.write(s.dir+"/go", "")
	if r := <-answered; r.status != 200 {
		t.Errorf("the caller is answered %d %s", r.status, r.body)
	}
	s.leaves(time.Now(), 0, 8*time.Second)
}

func TestStaysUntilTheMainProcessHasGone(t *testing.T) {
	testutil.Slow(t)
	pidfile := filepath.Join(t.TempDir(), "main.pid")
	s := serve(t, quick, withMain("pidfile:"+pidfile))
	pid, exited := s.mainProcess(pidfile)
	s.stop()
	testutil.Eventually(t, "the shutdown has run", func() bool { return s.shutdownRecord().Outcome == state.Succeeded })
	s.is("/shutdown", 200) // a caller does not end it
	for range 25 {         // longer than without a main process
		s.stays("the main process is there")
	}
	began := time.Now()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-exited
	s.leaves(began, 0, 8*time.Second)
}

func TestLeavesAtOnceWhereTheMainProcessHasGone(t *testing.T) {
	pidfile := filepath.Join(t.TempDir(), "main.pid")
	s := serve(t, quick, withMain("pidfile:"+pidfile), patient)
	pid, exited := s.mainProcess(pidfile)
	s.ready(true, "") // it has been seen
	s.is("/metrics", 200)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-exited
	began := time.Now()
	s.stop()
	s.leaves(began, 0, 15*time.Second)
}

// A main process that cannot be told is none to wait for; a caller may still come.
func TestMainProcessThatCannotBeTold(t *testing.T) {
	testutil.Slow(t)
	pidfile := filepath.Join(t.TempDir(), "main.pid")
	s := serve(t, quick, withMain("pidfile:"+pidfile))
	s.write(pidfile, "not a number\n")
	began := time.Now()
	s.stop()
	s.leaves(began, lateCaller, lateCaller+8*time.Second)
}

func TestLeavesAtTheEndOfTheGracePeriod(t *testing.T) {
	testutil.Slow(t)
	pidfile := filepath.Join(t.TempDir(), "main.pid")
	s := serve(t, quick, withMain("pidfile:"+pidfile), set(func(s *settings.Settings) { s.GracePeriod, s.GraceMargin = 3*time.Second, time.Second }))
	s.mainProcess(pidfile)
	began := time.Now()
	s.stop()
	s.leaves(began, 2*time.Second, 8*time.Second)
}

// The shutdown is cut to what is left of the grace period, not to its own 25 s.
func TestShutdownIsCutToTheGracePeriod(t *testing.T) {
	testutil.Slow(t)
	s := serve(t, `{hooks: {shutdown: {steps: [{exec: [sleep, "60"], killAfter: 100ms}]}}}`,
		set(func(s *settings.Settings) { s.GracePeriod, s.GraceMargin = 3*time.Second, time.Second }))
	began := time.Now()
	s.stop()
	s.leaves(began, 1500*time.Millisecond, 8*time.Second)
	if rec := s.shutdownRecord(); rec.Outcome != state.TimedOut || !strings.Contains(rec.Reason, "grace period") {
		t.Errorf("the record is %s: %s", rec.Outcome, rec.Reason)
	}
}

func TestThirdStopSignalEndsTheWaiting(t *testing.T) {
	s := serve(t, waits)
	s.stop()
	testutil.Eventually(t, "the hook runs", func() bool { return len(s.lines("runs")) == 1 })
	s.stop()
	s.stays("two stop signals")
	began := time.Now()
	s.stop()
	s.leaves(began, 0, 5*time.Second) // the shutdown would take 25s
	if len(s.lines("runs")) != 1 {
		t.Errorf("shutdown was run %d times", len(s.lines("runs")))
	}
}

func TestEndOfTheContextEndsServe(t *testing.T) {
	s := serve(t, quick)
	began := time.Now()
	s.cancel()
	s.leaves(began, 0, 5*time.Second)
	if len(s.lines("runs")) != 0 {
		t.Error("shutdown was run")
	}
}

func TestListenersErrorEndsServe(t *testing.T) {
	w := newWorld(t, quick)
	l, err := door.Listen("127.0.0.1:0", 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- w.agent.Serve(context.Background(), Doors{Main: l}, nil) }()
	l.Close()
	select {
	case err := <-ended:
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("Serve says %v, want that the listener is closed", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Serve goes on without its listener")
	}
}

// A connection that says nothing does not hold the agent up.
func TestSilentConnectionDoesNotHoldTheEndUp(t *testing.T) {
	s := serve(t, quick)
	conn := s.dial()
	say(t, conn, "GET /live")
	s.is("/shutdown", 200)
	began := time.Now()
	s.stop()
	s.leaves(began, 0, 4*time.Second) // its header may take 5s
	if got := status(t, conn); got == http.StatusOK {
		t.Errorf("half a request is answered %d", got)
	}
}
