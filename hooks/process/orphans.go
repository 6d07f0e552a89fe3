package process

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// strays tells which children of this process cannot belong to the run of leader.
func (r *Reaper) strays(leader int, w *watch) strays {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := strays{adopt: os.Getpid() != 1 && r.runs == 1, foreign: make(map[int]uint64)}
	for pid := range r.children {
		if pid != leader {
			s.adopt = false
			s.foreign[pid] = 0
		}
	}
	for pid, start := range r.left {
		s.foreign[pid] = start
	}
	for i := range w.outputs {
		var stat unix.Stat_t
		if fd := w.outputs[i].fd; fd >= 0 && unix.Fstat(fd, &stat) == nil {
			s.pipes = append(s.pipes, fmt.Sprintf("pipe:[%d]", stat.Ino))
		}
	}
	return s
}

func (r *Reaper) enter() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.runs++
}

// leave remembers what the run left behind, so that no other run takes it for its
// own. It scans only where this process has children, which is rare.
func (r *Reaper) leave() {
	r.mu.Lock()
	look := os.Getpid() != 1 && !r.childless
	r.mu.Unlock()
	if look {
		r.noteLeft()
	}
	r.mu.Lock()
	r.runs--
	r.mu.Unlock()
}

func (r *Reaper) noteLeft() {
	all, err := new(census).scan()
	if err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range all {
		if _, started := r.children[p.PID]; p.PPID == os.Getpid() && !started && !p.Exited() {
			r.left[p.PID] = p.Start
		}
	}
}
