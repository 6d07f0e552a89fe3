package process

import "os"

// LeaveDirectory makes / the working directory of this process, so that it keeps no volume
// busy: a file system that is a process's working directory cannot be unmounted. Programs
// without a Spec.Dir still start in the former one. This process is back there for the
// moment of their start, because their user may be one who could not enter it. It stays
// where it is if it could not come back.
func (r *Reaper) LeaveDirectory() {
	r.mu.Lock()
	defer r.mu.Unlock()
	dir, err := os.Getwd()
	if err == nil && os.Chdir(dir) == nil && os.Chdir("/") == nil {
		r.dir = dir
	}
}

func (r *Reaper) directory() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.dir
}
