package process

// WithoutPidfd makes a Reaper work as on a kernel that has no pidfds.
func (r *Reaper) WithoutPidfd() { r.hasPidfd = false }
