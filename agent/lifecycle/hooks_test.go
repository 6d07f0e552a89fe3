package lifecycle

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// realHooks are hooks with their state in dir, which other processes use too.
func realHooks(t *testing.T, dir, yaml string) (*runnerHooks, *bytes.Buffer) {
	t.Helper()
	cfg, err := config.Parse("test.yaml", []byte(yaml), nil)
	if err != nil {
		t.Fatal(err)
	}
	store, err := state.Open(state.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	runner := hooks.New(t.Context(), hooks.Options{Store: store, Config: func() (*config.Config, error) { return cfg, nil }})
	log := &bytes.Buffer{}
	return newRunnerHooks(Options{Runner: runner, Store: store, Logger: slog.New(slog.NewTextHandler(log, nil))}), log
}

func call(t *testing.T, h *runnerHooks, hook string, trigger state.Trigger) hooks.Result {
	t.Helper()
	result, err := h.call(t.Context(), hook, hooks.Request{Trigger: trigger})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// Each call of shutdown is seen, also one that finds that it has succeeded, and one of
// another process; what only podhook run itself asks for is none.
func TestCallsOfShutdownAreSeen(t *testing.T) {
	dir := t.TempDir()
	h, _ := realHooks(t, dir, "hooks: {}")
	another, _ := realHooks(t, dir, "hooks: {}")
	h.open()
	seen := func(what string, after time.Time) {
		t.Helper()
		if s := h.shutdown(); !s.found || s.called.Before(after) || !h.shutdownCalled() {
			t.Errorf("%s is not seen: %+v, after %v", what, s, after)
		}
	}
	if h.shutdown().found || h.shutdownCalled() {
		t.Error("a call before the first one")
	}
	for _, trigger := range []state.Trigger{state.TriggerExec, state.TriggerHTTP} {
		at := time.Now()
		call(t, another, config.Shutdown, trigger)
		seen(string(trigger), at)
	}
	at := time.Now()
	if !call(t, h, config.Shutdown, state.TriggerHTTP).Already {
		t.Error("shutdown was run again")
	}
	seen("the call that has found a success", at)
	before := h.shutdown().called
	call(t, h, config.Shutdown, state.TriggerSignal)
	if now := h.shutdown().called; !now.Equal(before) {
		t.Errorf("the stop signal's own call is seen at %v", now)
	}
	// A restart of the container finds the trace that was left, and takes it for no call.
	h.open()
	if h.shutdownCalled() {
		t.Error("a call of the container before")
	}
}

// A hook that is called off before it begins does not run. Its outcome is interrupted.
func TestCalledOffBeforeItBegins(t *testing.T) {
	h, _ := realHooks(t, t.TempDir(), "hooks: {prestart: {steps: [{sleep: 1h}]}}")
	h.callOff(config.Prestart, errShutdownCalled)
	rec := call(t, h, config.Prestart, state.TriggerStart).Record
	if rec.Outcome != state.Interrupted || !strings.Contains(rec.Reason, errShutdownCalled.Error()) {
		t.Errorf("%s: %s", rec.Outcome, rec.Reason)
	}
}

// podhook waits for the shutdown of another process until that ends or the wait is over.
func TestAwaitsTheShutdownOfAnotherProcess(t *testing.T) {
	dir := t.TempDir()
	h, _ := realHooks(t, dir, "hooks: {shutdown: {steps: [{sleep: 300ms}]}}")
	another, _ := realHooks(t, dir, "hooks: {shutdown: {steps: [{sleep: 300ms}]}}")
	h.awaitShutdown(t.Context()) // there is none
	began := time.Now()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = another.call(context.Background(), config.Shutdown, hooks.Request{Trigger: state.TriggerExec})
	}()
	for h.shutdown().last.Outcome != state.Running {
		time.Sleep(time.Millisecond)
	}
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	h.awaitShutdown(short)
	if h.shutdown().last.Outcome != state.Running {
		t.Error("it was waited for without patience")
	}
	h.awaitShutdown(t.Context())
	if took := time.Since(began); took < 300*time.Millisecond || h.shutdown().last.Outcome != state.Succeeded {
		t.Errorf("it was waited for %v: %s", took, h.shutdown().last.Outcome)
	}
	<-ended
}

// A shutdown of this process that goes on is seen also where it cannot be recorded.
func TestShutdownThatCannotBeRecordedIsSeen(t *testing.T) {
	dir := t.TempDir()
	h, _ := realHooks(t, dir, "hooks: {shutdown: {steps: [{sleep: 1h}]}}")
	if err := os.MkdirAll(filepath.Join(dir, "hooks/shutdown/run.json"), 0o700); err != nil { // no file can be there
		t.Fatal(err)
	}
	go func() { _, _ = h.call(t.Context(), config.Shutdown, hooks.Request{Trigger: state.TriggerHTTP}) }()
	var s shutdownState
	for end := time.Now().Add(10 * time.Second); !s.found && time.Now().Before(end); time.Sleep(time.Millisecond) {
		s = h.shutdown()
	}
	if age := time.Since(s.last.Start); s.last.Outcome != state.Running || s.last.Trigger != state.TriggerHTTP || age < 0 || age > time.Minute {
		t.Errorf("it is seen as %+v", s)
	}
	h.callOff(config.Shutdown, errGraceEnds)
}

// If several podhook runs share a container, exec'd hooks find the main process of the
// first one. The others warn that they share its state.
func TestSeveralPodhookRunsInAContainer(t *testing.T) {
	dir := t.TempDir()
	first, log := realHooks(t, dir, "hooks: {}")
	first.open()
	first.saveMain(state.MainIdentity{PID: 7})
	second, secondLog := realHooks(t, dir, "hooks: {}")
	second.open()
	second.saveMain(state.MainIdentity{PID: 8})
	if main, ok, err := second.store.Main(); !ok || main.PID != 7 {
		t.Errorf("the main process is %+v, %v, %v", main, ok, err)
	}
	if log.Len() > 0 {
		t.Errorf("the first one says %s", log)
	}
	if text := secondLog.String(); !strings.Contains(text, "level=WARN") || !strings.Contains(text, "another podhook run") || !strings.Contains(text, dir) {
		t.Errorf("the second one says %q", text)
	}
	apart, apartLog := realHooks(t, t.TempDir(), "hooks: {}")
	apart.open()
	if apartLog.Len() > 0 {
		t.Errorf("one with a state of its own says %s", apartLog)
	}
}
