package supervisor

import (
	"syscall"
	"testing"

	"github.com/podhook/podhook/hooks/process/inherited"
)

// HUP and CONT of the terminal are dropped once each, through os/signal too. Later ones
// count.
func TestHandOffOnce(t *testing.T) {
	var h handOff
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGCONT, syscall.SIGTERM} {
		if h.of(sig) {
			t.Errorf("%v is dropped before", sig)
		}
	}
	h.due.Store(uint64(inherited.Set(syscall.SIGHUP, syscall.SIGCONT)))
	for _, sig := range []syscall.Signal{syscall.SIGCONT, syscall.SIGHUP} {
		if !h.of(sig) || h.of(sig) {
			t.Errorf("%v is not dropped once", sig)
		}
	}
	if h.of(syscall.SIGTERM) {
		t.Error("TERM is dropped")
	}
}
