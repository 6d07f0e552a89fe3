package inherited

import (
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
)

// early gets the signals that arrive at a thread that does not block them.
var early chan os.Signal

// complete is closed when init has subscribed to all of them.
var complete chan struct{}

// Go's runtime unblocks HUP, INT, QUIT, ABRT, TERM, SYS and the signals of
// faults in every thread, and ends the process for one that nobody subscribed to.
// An init must not lose any. So it subscribes here, before most packages are
// initialised (in the order of their paths), and not in main, which starts milliseconds
// later. Each signal costs two thread switches, so a goroutine subscribes to all but
// the usual stop signals.
func init() {
	if !isInit(os.Args) {
		return
	}
	// In an init function this keeps main on the main thread, to which the kernel
	// offers signals first.
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

// isInit reports whether this is `podhook run`, or podhook under the name of another
// init. podhook_start decides in the same way.
func isInit(args []string) bool {
	return len(args) > 1 && args[1] == "run" ||
		len(args) > 0 && (strings.HasSuffix(args[0], "init") || strings.HasSuffix(args[0], "tini"))
}

func subscribe(blocked Signals, signals ...syscall.Signal) {
	for _, sig := range signals {
		if !blocked.Has(sig) && !unasked.Has(sig) {
			signal.Notify(early, sig)
		}
	}
}

// unasked are the signals that init must not subscribe to: KILL and STOP cannot be
// caught, CHLD belongs to the Reaper, TSTP, TTIN and TTOU must be able to stop podhook,
// URG preempts goroutines, and os/signal does not know PROF and the first three
// real-time signals.
var unasked = Set(syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGCHLD,
	syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU,
	syscall.SIGURG, syscall.SIGPROF, 32, 33, 34)

// Early returns the channel of the signals that os/signal has received since before
// main: those that arrived at a thread that does not block them. It returns when none
// can be missed any more. The channel is nil where podhook is no init.
func Early() <-chan os.Signal {
	if complete != nil {
		<-complete
	}
	return early
}
