//go:build amd64 || arm64

package inherited

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The functions of this file and of guard.go run before Go's runtime does, on the stack that
// the kernel made: they and all that they call are nosplit, allocate nothing and store no
// pointer to the heap. The linker checks the first.

// Written by podhook_start.
var (
	stack *uintptr // argc; argv follows it
	ender uintptr  // the address of podhook_end
)

// before is what podhook_start calls. An assembler function can call Go code that follows
// the ABI of the compiler only by a function value.
//
//lint:ignore U1000 podhook_start reads it
var before = beforeRuntime

// beforeRuntime records what the process was started with. An init blocks all signals,
// and a hook forks.
//
//go:nosplit
//go:norace
//go:nocheckptr
func beforeRuntime() {
	entered = true
	asInit := startsInit()
	block := Signals(0)
	if asInit { // first of all: until then PID 1 loses signals
		block = All
	}
	raw(unix.SYS_RT_SIGPROCMASK, unix.SIG_BLOCK, uintptr(unsafe.Pointer(&block)), uintptr(unsafe.Pointer(&mask)), 8)
	var action sigaction
	for sig := range handlers {
		if sig > 0 {
			raw(unix.SYS_RT_SIGACTION, uintptr(sig), 0, uintptr(unsafe.Pointer(&action)), 8)
			handlers[sig] = action.handler
		}
	}
	closed := false
	for fd := range descriptors {
		descriptors[fd] = uintptr(raw(unix.SYS_FCNTL, uintptr(fd), unix.F_GETFD, 0, 0))
		closed = closed || int(descriptors[fd]) < 0
	}
	raw(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_NOFILE, 0, uintptr(unsafe.Pointer(&nofile)))
	slack = uintptr(raw(unix.SYS_PRCTL, unix.PR_GET_TIMERSLACK, 0, 0, 0))
	raw(unix.SYS_PRCTL, unix.PR_SET_TIMERSLACK, ownSlack, 0, 0)
	environ = (**byte)(unsafe.Add(unsafe.Pointer(stack), (2+*stack)*unsafe.Sizeof(*stack)))
	switch {
	case asInit:
		catchEnds()
	case startsHook() && !closed:
		guard()
	}
}

// startsInit is isInit.
//
//go:nosplit
//go:norace
//go:nocheckptr
func startsInit() bool {
	return *stack > 1 && is(argument(1), "run") ||
		*stack > 0 && (endsIn(argument(0), "init") || endsIn(argument(0), "tini"))
}

// startsHook reports whether the command runs a hook.
//
//go:nosplit
//go:norace
//go:nocheckptr
func startsHook() bool {
	if *stack < 2 {
		return false
	}
	name := argument(1)
	return is(name, "hook") || is(name, "prestart") || is(name, "shutdown")
}

// ending are the signals that Go's runtime unblocks in every thread.
const ending = StopSignals | 1<<(syscall.SIGABRT-1) | 1<<(syscall.SIGSYS-1)

// catchEnds makes podhook_end the handler of the ending signals that are not ignored.
//
//go:nosplit
//go:norace
//go:nocheckptr
func catchEnds() {
	const restorer = 0x04000000 // SA_RESTORER
	action := sigaction{handler: ender, flags: restorer, restorer: ender}
	for sig := range handlers {
		if ending>>(uint(sig)-1)&1 == 1 && handlers[sig] == byDefault {
			raw(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&action)), 0, 8)
		}
	}
}

// sigaction is the kernel's struct of this name.
type sigaction struct{ handler, flags, restorer, mask uintptr }

//go:nosplit
//go:norace
//go:nocheckptr
func argument(n uintptr) *byte {
	return *(**byte)(unsafe.Add(unsafe.Pointer(stack), (1+n)*unsafe.Sizeof(n)))
}

//go:nosplit
//go:norace
//go:nocheckptr
func is(text *byte, word string) bool {
	for i := range len(word) {
		if *(*byte)(unsafe.Add(unsafe.Pointer(text), i)) != word[i] {
			return false
		}
	}
	return *(*byte)(unsafe.Add(unsafe.Pointer(text), len(word))) == 0
}

//go:nosplit
//go:norace
//go:nocheckptr
func endsIn(text *byte, word string) bool {
	length := 0
	for *(*byte)(unsafe.Add(unsafe.Pointer(text), length)) != 0 {
		length++
	}
	return length >= len(word) && is((*byte)(unsafe.Add(unsafe.Pointer(text), length-len(word))), word)
}

// raw returns the result of a system call, or its negative errno.
//
//go:nosplit
//go:norace
//go:nocheckptr
func raw(trap, a, b, c, d uintptr) int {
	r, _, errno := syscall.RawSyscall6(trap, a, b, c, d, 0, 0)
	if errno != 0 {
		return -int(errno)
	}
	return int(r)
}
