package mainprocess

import (
	"context"
	"errors"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/state"
)

// The main process before its start, while it runs and after its end, as hooks see it.
func TestChildAsHooksSeeIt(t *testing.T) {
	absent := func(t *testing.T, m *Child, why string) {
		t.Helper()
		for what, err := range map[string]error{"Signal": m.Signal(syscall.SIGHUP), "WaitExit": m.WaitExit(t.Context(), nil)} {
			var gone *hooks.GoneError
			if !errors.As(err, &gone) || gone.Why != why {
				t.Errorf("%s: %v, want %s", what, err, why)
			}
		}
		if id := m.Identity(); id != nil {
			t.Errorf("it is %+v", id)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		m, sent := NewChild(), syscall.Signal(0)
		absent(t, m, "the main process has not been started")

		if _, err := m.Start(func() (int, error) { return 0, errors.New("no such program") }, nil); err == nil {
			t.Error("it has started")
		}
		absent(t, m, "the main process has not been started")
		id, err := m.Start(func() (int, error) { return os.Getpid(), nil }, func(sig syscall.Signal) error { sent = sig; return nil })
		if err != nil {
			t.Fatal(err)
		}
		if now := m.Identity(); now == nil || *now != id || id.PID != os.Getpid() || id.StartTime == 0 {
			t.Errorf("started %+v, it is %+v", id, now)
		}
		if err := m.Signal(syscall.SIGHUP); err != nil || sent != syscall.SIGHUP {
			t.Errorf("signal: %v", err)
		}
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		if err := m.WaitExit(cancelled, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("wait without patience: %v", err)
		}
		waited := make(chan error)
		go func() { waited <- m.WaitExit(t.Context(), &state.MainIdentity{}) }()
		synctest.Wait()
		m.Exited()
		if err := <-waited; err != nil {
			t.Errorf("wait: %v", err)
		}
		absent(t, m, "the main process has exited already")
	})
}

// A process that is being started can already have done what a hook waits for. The signal that
// the hook sends then reaches it.
func TestSignalDuringTheStart(t *testing.T) {
	m, sent, got := NewChild(), make(chan error, 1), make(chan syscall.Signal, 1)
	_, err := m.Start(func() (int, error) {
		go func() { sent <- m.Signal(syscall.SIGHUP) }()
		select {
		case err := <-sent:
			t.Errorf("sent to nobody: %v", err)
			sent <- err
		case <-time.After(100 * time.Millisecond): // it waits
		}
		return os.Getpid(), nil
	}, func(sig syscall.Signal) error { got <- sig; return nil })
	if err != nil {
		t.Fatal(err)
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	if sig := <-got; sig != syscall.SIGHUP {
		t.Error(sig)
	}
}
