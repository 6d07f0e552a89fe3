package inherited

import (
	"os"
	"os/signal"
	"syscall"
)

// early gets what arrives at a thread that cannot be kept from taking signals.
var early chan os.Signal

// Go's runtime unblocks HUP, INT, QUIT, ABRT, TERM, SYS and the signals of
// faults in every thread, and ends the process for one that nobody has asked
// for. `podhook run` may lose none, so it asks before any other package is
// initialised (packages are initialised in the order of their paths) and not
// only in main, which is some milliseconds later.
func init() {
	if len(os.Args) < 2 || os.Args[1] != "run" {
		return
	}
	early = make(chan os.Signal, 128)
	blocked := Mask()
	for sig := syscall.Signal(1); sig <= 64; sig++ {
		if !blocked.Has(sig) && !unasked.Has(sig) {
			signal.Notify(early, sig)
		}
	}
}

// unasked are the signals that must not be subscribed to: KILL and STOP are
// nobody's, CHLD is the reaper's, TSTP, TTIN and TTOU must still be able to stop
// us, URG is how the runtime preempts goroutines, PROF and the first three
// real-time signals os/signal does not know.
var unasked = Set(syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGCHLD,
	syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU,
	syscall.SIGURG, syscall.SIGPROF, 32, 33, 34)

// Early are the signals that came since before main by way of Go's os/signal,
// which is how all of them come that a thread did not have blocked. It is nil
// in any command but `podhook run`.
func Early() <-chan os.Signal { return early }
