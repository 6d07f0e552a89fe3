package state

import (
	"context"
	"errors"
	"testing"
	"time"
)

// A caller is waited for until it ends; without one nobody waits.
func TestWaitForCallers(t *testing.T) {
	s := testStore(t, Options{})
	h := s.Hook("shutdown")
	if err := h.WaitForCallers(t.Context()); err != nil {
		t.Fatal("nobody has ever called:", err)
	}
	if _, err := h.Call(); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Call(); err != nil {
		t.Fatal("a second call:", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := h.WaitForCallers(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v while this process calls, want the deadline's error", err)
	}
	if err := s.Hook("prestart").WaitForCallers(t.Context()); err != nil {
		t.Error("another hook:", err)
	}
	if _, err := s.Hook("../x").Call(); err == nil {
		t.Error("a bad name is taken")
	}
}
