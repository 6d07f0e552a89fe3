package process

import (
	"syscall"

	"github.com/podhook/podhook/hooks/procfs"
)

// WithoutPidfd makes a Reaper work as on a kernel that has no pidfds.
func (r *Reaper) WithoutPidfd() { r.hasPidfd = false }

// SignalProcess sends a signal to the process that has started then.
func (r *Reaper) SignalProcess(pid int, start uint64, s syscall.Signal) error {
	return r.signal(&procfs.Stat{PID: pid, Start: start}, s)
}
