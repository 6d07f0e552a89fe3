package supervisor

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/process/inherited"
)

// received is the kernel's siginfo_t (sigaction(2)): three ints, then a union with the
// alignment of a pointer.
type received struct {
	signo int32
	_     int32 // errno
	code  int32
	_     [128 - 12]byte
}

const unionOffset = (12 + unsafe.Sizeof(uintptr(0)) - 1) &^ (unsafe.Sizeof(uintptr(0)) - 1)

// si_code of asm-generic/siginfo.h.
const (
	codeUser  = 0  // kill(2)
	codeQueue = -1 // sigqueue(3): the signal carries a value
	codeTkill = -6 // tgkill(2)
)

// sender returns the PID of the process that sent the signal, in podhook's namespace.
func (r *received) sender() int {
	return int(*(*int32)(unsafe.Add(unsafe.Pointer(r), unionOffset)))
}

// own reports whether this process sent the signal: Go's runtime does, to preempt a
// goroutine, and so do Supervisor.wake and stopSelf.
func (r *received) own() bool {
	return (r.code == codeTkill || r.code == codeUser) && r.sender() == os.Getpid()
}

// waited returns the signals that the main thread waits for. The C library and Go use 32
// and 33 themselves.
func waited() inherited.Signals {
	return inherited.All &^ inherited.Set(syscall.SIGKILL, syscall.SIGSTOP, 32, 33)
}

// wait takes the next pending signal of set, which must be blocked in the
// calling thread: sigtimedwait(2) without a timeout. A real-time signal comes as often as
// it was sent.
func wait(set inherited.Signals, into *received) (syscall.Signal, error) {
	for {
		n, _, errno := syscall.Syscall6(unix.SYS_RT_SIGTIMEDWAIT,
			uintptr(unsafe.Pointer(&set)), uintptr(unsafe.Pointer(into)), 0, 8, 0, 0)
		switch errno {
		case 0:
			return syscall.Signal(n), nil
		case syscall.EINTR:
		default:
			return 0, os.NewSyscallError("rt_sigtimedwait", errno)
		}
	}
}
