package supervisor

import (
	"os"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/process/inherited"
)

// handOff drops the signals that podhook gets because it gives up its terminal. Run knows
// them by their sender, os/signal does not.
type handOff struct{ due atomic.Uint64 }

// detach gives up the terminal on stdin, so that the session of the main process can take
// it. A session leader that does so gets SIGHUP and SIGCONT: ioctl_tty(2), TIOCNOTTY.
func (h *handOff) detach() {
	if session, err := unix.Getsid(0); err == nil && session == os.Getpid() {
		h.due.Store(uint64(inherited.Set(syscall.SIGHUP, syscall.SIGCONT)))
	}
	if unix.IoctlSetInt(0, unix.TIOCNOTTY, 0) != nil {
		h.due.Store(0) // there is none
	}
}

// of reports whether sig came from detach. Each comes once.
func (h *handOff) of(sig syscall.Signal) bool {
	return inherited.Signals(h.due.And(^uint64(inherited.Set(sig)))).Has(sig)
}
