package inherited

import (
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

// early gets what arrives at a thread that cannot be kept from taking signals.
var early chan os.Signal

// complete is closed when all of them have been asked for.
var complete chan struct{}

// Go's runtime unblocks HUP, INT, QUIT, ABRT, TERM, SYS and the signals of
// faults in every thread, and ends the process for one that nobody has asked
// for. `podhook run` may lose none, so it asks before most packages are
// initialised (that is done in the order of their paths) and not only in main,
// which is milliseconds later. Each signal takes two switches of threads: all but
// the usual stop signals are left to another goroutine.
func init() {
	if len(os.Args) < 2 || os.Args[1] != "run" {
		return
	}
	// A lock taken in an init function holds main to the main thread, which the
	// kernel offers signals to first.
	runtime.LockOSThread()
	early = make(chan os.Signal, 128)
	complete = make(chan struct{})
	blocked := Mask()
	subscribe(blocked, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		for sig := syscall.Signal(1); sig <= 64; sig++ {
			subscribe(blocked, sig)
		}
		close(complete)
	}()
}

func subscribe(blocked Signals, signals ...syscall.Signal) {
	for _, sig := range signals {
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
// which is how those come that a thread could not be kept from taking. It
// returns when none can be missed any more. It is nil in any command but
// `podhook run`.
func Early() <-chan os.Signal {
	if complete != nil {
		<-complete
	}
	return early
}
