package supervisor

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ExitCode is what podhook exits with for a main process that has ended so: its
// own code, or 128+n where signal n killed it, as shells have it.
func ExitCode(status syscall.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

// IsSubreaper tells whether orphaned descendants become children of this
// process: prctl(2), PR_GET_CHILD_SUBREAPER.
func IsSubreaper() bool {
	var is int32
	err := unix.Prctl(unix.PR_GET_CHILD_SUBREAPER, uintptr(unsafe.Pointer(&is)), 0, 0, 0)
	return err == nil && is != 0
}
