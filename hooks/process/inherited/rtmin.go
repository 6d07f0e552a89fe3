package inherited

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rtMin is the first real-time signal. os/signal does not know it. Go unblocks it in
// every thread and leaves it the default action.
const rtMin = syscall.Signal(34)

// The kernel's SIG_DFL and SIG_IGN.
const (
	byDefault = 0
	ignored   = 1
)

// OutliveRTMIN ignores rtMin where it would end the process: it does when this process is
// not PID 1 and the signal arrives while the thread that waits for signals is busy. That
// thread still gets the signal, because a blocked signal is not ignored (kernel/signal.c,
// sig_ignored).
func OutliveRTMIN() {
	if Recorded() && disposition(rtMin) == byDefault {
		setDisposition(rtMin, ignored)
	}
}

// restoreRTMIN restores the disposition that this process was started with, for a child
// that is forked next. The function that it returns undoes that.
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
