//go:build !amd64 && !arm64

package supervisor

import (
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sharing is none: the child has a copy of the memory, because to share it takes assembly.
const sharing = 0

// clone is clone(2). It returns a negative errno on failure.
//
//go:nosplit
//go:norace
//go:nocheckptr
func clone(flags uintptr, pidfd *int32) (pid int) {
	first, second := flags, uintptr(0)
	if runtime.GOARCH == "s390x" {
		first, second = second, first // clone(2)
	}
	r, _, errno := syscall.RawSyscall6(unix.SYS_CLONE, first, second, uintptr(unsafe.Pointer(pidfd)), 0, 0, 0)
	if errno != 0 {
		return -int(errno)
	}
	return int(r)
}
