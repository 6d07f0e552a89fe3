package process

import (
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// killTime bounds how long processes are killed that come back, or do not go.
const killTime = 2 * time.Second

// end ends a run: SIGTERM, then SIGKILL. It handles output in the meantime.
func (p *run) end(killAfter time.Duration, result *Result) {
	p.find() // before parents die and take the kinship with them
	if p.signalGroup(syscall.SIGTERM) {
		result.Sent.Term = 1
		p.signalGroup(syscall.SIGCONT)
	}
	p.awaitGroup(time.Now().Add(killAfter))
	p.kill(result)
}

// awaitGroup returns at t, or when the leader and its group have gone.
func (p *run) awaitGroup(t time.Time) {
	for pause := firstPause; time.Now().Before(t); pause = longer(pause) {
		// Nothing tells of a group's end, or of who leaves it: look.
		alive, err := p.find()
		if p.exited() && !p.groupLives(alive, err) {
			return
		}
		p.pause(min(pause, time.Until(t)))
	}
}

// kill sends SIGKILL until nothing of the run is left.
func (p *run) kill(result *Result) {
	killed := make(map[int]uint64)
	giveUp := time.Now().Add(killTime)
	for pause := firstPause; ; pause = longer(pause) {
		orphans := p.reaper.orphanCount()
		alive, err := p.find()
		// To the group at once: then it cannot outrun us by forking.
		if p.signalGroup(syscall.SIGKILL) && err != nil {
			killed[p.tree.leader] = 0
		}
		for i := range alive {
			q := &alive[i]
			if p.reaper.signal(q, syscall.SIGKILL) == nil || q.group == p.tree.leader {
				killed[q.pid] = q.start
			}
		}
		p.reaper.reap()
		result.Sent.Kill = len(killed)
		result.Survivors = len(alive)
		// An orphan that ended during the scan can have left another one that
		// the scan did not see.
		moved := err == nil && p.reaper.orphanCount() != orphans
		gone := p.exited() && len(alive) == 0 && !p.groupLives(alive, err)
		if gone && !moved || time.Now().After(giveUp) {
			return
		}
		if moved {
			pause = 0 // to be faster than they
		}
		p.pause(pause)
	}
}

// Pauses between two looks at what is left.
const firstPause = time.Millisecond

func longer(pause time.Duration) time.Duration {
	return min(max(2*pause, firstPause), 50*time.Millisecond)
}

// pause handles output, for d or until the leader's end.
func (p *run) pause(d time.Duration) {
	before := p.exited()
	for end := time.Now().Add(d); time.Now().Before(end) && p.exited() == before; {
		p.watch.until(end)
		p.wait()
	}
}

// find lists what is alive of the run.
func (p *run) find() ([]proc, error) {
	all, err := p.tree.census.scan()
	if err != nil {
		return nil, err
	}
	return p.tree.find(all, p.reaper.strays(p.tree.leader, p.watch)), nil
}

// signalGroup tells whether the group has members still. Once it was seen to be
// empty, its number may be somebody else's.
func (p *run) signalGroup(s syscall.Signal) bool {
	if p.groupGone {
		return false
	}
	err := syscall.Kill(-p.tree.leader, s)
	p.groupGone = err == syscall.ESRCH
	return err == nil
}

// groupLives tells whether the group has members that are not zombies, as far
// as find, whose results these are, could see that.
func (p *run) groupLives(alive []proc, err error) bool {
	if err != nil {
		return p.signalGroup(0)
	}
	for i := range alive {
		if alive[i].group == p.tree.leader {
			return true
		}
	}
	return false
}

// signal sends s to the very process that was found, never to one that has got
// its pid since: a pidfd holds on to the process, and is checked afterwards.
func (r *Reaper) signal(p *proc, s syscall.Signal) error {
	if !r.hasPidfd {
		if now, err := readProc(p.pid); err != nil || now.start != p.start {
			return syscall.ESRCH
		}
		return syscall.Kill(p.pid, s)
	}
	fd, err := unix.PidfdOpen(p.pid, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if now, err := readProc(p.pid); err != nil || now.start != p.start {
		return syscall.ESRCH
	}
	return unix.PidfdSendSignal(fd, s, nil, 0)
}

// strays says which children of ours cannot be, or must be, the leader's.
func (r *Reaper) strays(leader int, w *watch) strays {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := strays{adopt: os.Getpid() != 1 && r.runs == 1, foreign: make(map[int]uint64)}
	s.session, _ = unix.Getsid(0)
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

// leave remembers what the run left behind, so that no other run takes it for
// its own. That a child is there at all is rare.
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
		if _, started := r.children[p.pid]; p.ppid == os.Getpid() && !started && !p.zombie {
			r.left[p.pid] = p.start
		}
	}
}

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
