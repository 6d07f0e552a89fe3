package inherited

import (
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Written by beforeRuntime. Read only afterwards.
var (
	entered     bool
	mask        uint64
	handlers    [65]uintptr
	descriptors [3]uintptr
	nofile      [2]uint64
	environ     **byte // the environment that the kernel made, nil at its end
	slack       uintptr
)

// found is the mask of the main thread when this package is initialised.
var found = Mask()

// Signals is a set of signals in the kernel's form: signal n is bit n-1.
type Signals uint64

// All contains all 64 signals of Linux.
const All = ^Signals(0)

// Set returns the set of the given signals.
func Set(signals ...syscall.Signal) Signals {
	var s Signals
	for _, sig := range signals {
		s |= 1 << (uint(sig) - 1)
	}
	return s
}

// Has reports whether sig is in the set.
func (s Signals) Has(sig syscall.Signal) bool {
	return sig >= 1 && sig <= 64 && s>>(uint(sig)-1)&1 == 1
}

// Recorded reports whether this program was built with its own entry point. Without it,
// the other functions guess.
func Recorded() bool { return entered }

// Blocked returns the signal mask that the process was started with.
func Blocked() Signals {
	if !Recorded() {
		return found
	}
	return Signals(mask)
}

// Ignored returns the signals that were ignored (SIG_IGN) when the process was started.
// Without a record it returns those that are ignored now.
func Ignored() Signals {
	var ignored Signals
	for sig := syscall.Signal(1); sig <= 64; sig++ {
		handler := handlers[sig]
		if !Recorded() {
			handler = disposition(sig)
		}
		if handler == 1 {
			ignored |= Set(sig)
		}
	}
	return ignored
}

// Closed reports whether descriptor 0, 1 or 2 was closed when the process was started.
// Go opens /dev/null in its place.
func Closed(fd int) bool {
	return Recorded() && fd >= 0 && fd < len(descriptors) && int(descriptors[fd]) < 0
}

// NoFile returns the RLIMIT_NOFILE that the process was started with. Without a record
// it is unknown and ok is false.
func NoFile() (limit unix.Rlimit, ok bool) {
	return unix.Rlimit{Cur: nofile[0], Max: nofile[1]}, Recorded()
}

// ownSlack is the timer slack of podhook's threads, in nanoseconds. Go's runtime has a
// thread that sleeps for 20 us again and again while others work. With the usual slack of
// 50 us it would take a fifth of the CPU time of a start.
const ownSlack = 1e6

// Slack returns the timer slack that the process was started with, for prctl(2),
// PR_SET_TIMERSLACK. Without a record it is that of the calling thread.
func Slack() uintptr {
	if !Recorded() {
		now, _, _ := syscall.RawSyscall(unix.SYS_PRCTL, unix.PR_GET_TIMERSLACK, 0, 0)
		return now
	}
	return slack
}

// setSlack sets the timer slack of the calling thread.
func setSlack(nanoseconds uintptr) {
	if Recorded() {
		syscall.RawSyscall(unix.SYS_PRCTL, unix.PR_SET_TIMERSLACK, nanoseconds, 0)
	}
}

// Mask returns the signal mask of the calling thread.
func Mask() Signals {
	var old Signals
	// It cannot fail with these arguments: rt_sigprocmask(2).
	syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_BLOCK, 0, uintptr(unsafe.Pointer(&old)), 8, 0, 0)
	return old
}

// SetMask replaces the signal mask of the calling thread and returns the old
// one. The caller has locked its goroutine to the thread.
func SetMask(set Signals) Signals {
	var old Signals
	syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK,
		uintptr(unsafe.Pointer(&set)), uintptr(unsafe.Pointer(&old)), 8, 0, 0)
	return old
}

// ForkExec is syscall.ForkExec, but the child gets the signal mask and the timer slack that
// this process was started with, and not those of a thread.
func ForkExec(path string, argv []string, attr *syscall.ProcAttr) (pid int, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	old := SetMask(Blocked())
	defer SetMask(old)
	setSlack(Slack())
	defer setSlack(ownSlack)
	defer restoreRTMIN()()
	return syscall.ForkExec(path, argv, attr)
}

func disposition(sig syscall.Signal) uintptr {
	var action [8]uint64
	syscall.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), 0, uintptr(unsafe.Pointer(&action)), 8, 0, 0)
	return *(*uintptr)(unsafe.Pointer(&action))
}
