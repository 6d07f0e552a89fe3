package inherited

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rtMin is the first real-time signal. os/signal knows nothing of it, but Go
// unblocks it in every thread and leaves it its default action.
const rtMin = syscall.Signal(34)

// The kernel's SIG_DFL and SIG_IGN.
const (
	byDefault = 0
	ignored   = 1
)

// OutliveRTMIN ignores rtMin where it would end the process: not as PID 1, when it
// comes while the thread that waits for signals is not waiting. What that thread
// has blocked is not ignored for it (kernel/signal.c, sig_ignored).
func OutliveRTMIN() {
	if Recorded() && disposition(rtMin) == byDefault {
		setDisposition(rtMin, ignored)
	}
}

// restoreRTMIN gives a child that is forked now the disposition that this process
// was started with, and returns what takes that back.
func restoreRTMIN() func() {
	if !Recorded() || Ignored().Has(rtMin) || disposition(rtMin) != ignored {
		return func() {}
	}
	setDisposition(rtMin, byDefault)
	return func() { setDisposition(rtMin, ignored) }
}

func setDisposition(sig syscall.Signal, handler uintptr) {
	var action [8]uint64 // the kernel's struct sigaction: the handler is first
	*(*uintptr)(unsafe.Pointer(&action)) = handler
	syscall.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&action)), 0, 8, 0, 0)
}
