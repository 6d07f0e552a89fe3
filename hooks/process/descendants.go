package process

import (
	"os"
	"syscall"
	"time"
)

// KillDescendants sends SIGKILL to every descendant of pid, not to itself, until
// none is left, new ones included, and reaps those that become our children. As
// the descendants of a process that has died are its subreaper's, pid is mostly
// our own. It gives up after a few seconds, on processes that hang in the kernel, and
// returns how many are left. Without /proc it can do nothing.
func (r *Reaper) KillDescendants(pid int) (left int) {
	giveUp := time.Now().Add(2 * killTime)
	for pause, c := firstPause, new(census); ; pause = longer(pause) {
		orphans := r.orphanCount()
		all, err := c.scan()
		if err != nil {
			return 0
		}
		alive := descendants(all, pid)
		for i := range alive {
			r.signal(&alive[i], syscall.SIGKILL)
		}
		r.reap()
		moved := r.orphanCount() != orphans
		if len(alive) == 0 && !moved || time.Now().After(giveUp) {
			return len(alive)
		}
		if moved {
			pause = 0
		}
		time.Sleep(pause)
	}
}

func descendants(all []proc, root int) []proc {
	in := map[int]bool{root: true}
	for grown := true; grown; {
		grown = false
		for _, p := range all {
			if !in[p.pid] && in[p.ppid] && p.pid != os.Getpid() {
				in[p.pid] = true
				grown = true
			}
		}
	}
	var alive []proc
	for _, p := range all {
		if in[p.pid] && p.pid != root && !p.zombie {
			alive = append(alive, p)
		}
	}
	return alive
}
