package process

import "syscall"

// WithoutPidfd makes a Reaper work as on a kernel that has no pidfds.
func (r *Reaper) WithoutPidfd() { r.hasPidfd = false }

// SignalProcess sends a signal to the process that has started then.
func (r *Reaper) SignalProcess(pid int, start uint64, s syscall.Signal) error {
	return r.signal(&proc{pid: pid, start: start}, s)
}
