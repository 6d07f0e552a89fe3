package process

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/procfs"
)

// killTime bounds how long podhook kills processes that fork faster or do not end.
const killTime = 2 * time.Second

// end ends a run: SIGTERM, then SIGKILL. It reads output in the meantime.
func (p *run) end(killAfter time.Duration, result *Result) {
	p.find() // while parents still show which processes are theirs
	if p.signalGroup(syscall.SIGTERM) {
		result.Sent.Term = 1
		p.tell(syscall.SIGTERM)
		p.signalGroup(syscall.SIGCONT)
	}
	p.awaitGroup(time.Now().Add(killAfter))
	p.kill(result)
}

func (p *run) tell(sig syscall.Signal) {
	if p.onSignal != nil {
		p.onSignal(sig)
	}
}

// awaitGroup returns at t, or earlier when the leader and its group have ended.
func (p *run) awaitGroup(t time.Time) {
	for pause := firstPause; time.Now().Before(t); pause = longer(pause) {
		// The kernel does not notify of the end of a group, so it is polled.
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
		// To whole groups first, so that they cannot fork faster than they are killed.
		if p.signalGroup(syscall.SIGKILL) && err != nil {
			killed[p.tree.leader] = 0
		}
		for i := range alive {
			q := &alive[i]
			if q.Group != p.tree.leader && q.Group != p.tree.ownGroup {
				syscall.Kill(-q.Group, syscall.SIGKILL)
			}
			err := p.reaper.signal(q, syscall.SIGKILL)
			// ESRCH: the signal to the group was faster.
			if err == nil || err == syscall.ESRCH && q.Group != p.tree.ownGroup {
				killed[q.PID] = q.Start
			} else if err != syscall.ESRCH {
				result.Unkillable = err
			}
		}
		p.reaper.Reap()
		if result.Sent.Kill == 0 && len(killed) > 0 {
			p.tell(syscall.SIGKILL)
		}
		result.Sent.Kill = len(killed)
		result.Survivors = len(alive)
		// An orphan that ended during the scan can have left a child that the scan
		// did not see.
		moved := err == nil && p.reaper.orphanCount() != orphans
		gone := p.exited() && len(alive) == 0 && !p.groupLives(alive, err)
		if gone && !moved || time.Now().After(giveUp) {
			return
		}
		if moved {
			pause = 0 // to be faster than they fork
		}
		p.pause(pause)
	}
}

// Pauses between two scans start at firstPause and double; see longer.
const firstPause = time.Millisecond

func longer(pause time.Duration) time.Duration {
	return min(max(2*pause, firstPause), 50*time.Millisecond)
}

// pause reads output for d, or until the leader ends.
func (p *run) pause(d time.Duration) {
	before := p.exited()
	for end := time.Now().Add(d); time.Now().Before(end) && p.exited() == before; {
		p.watch.until(end)
		p.wait()
	}
}

// find returns the processes of the run that are alive.
func (p *run) find() ([]procfs.Stat, error) {
	all, err := p.tree.census.scan()
	if err != nil {
		return nil, err
	}
	return p.tree.find(all, p.reaper.strays(p.tree.leader, p.watch)), nil
}

// signalGroup sends s to the group and reports whether it has members. Once the group
// was empty it sends nothing, because another group may get the number. It cannot get
// it between two calls: all other PIDs would have to be used within about 50 ms.
func (p *run) signalGroup(s syscall.Signal) bool {
	if p.groupGone {
		return false
	}
	err := syscall.Kill(-p.tree.leader, s)
	p.groupGone = err == syscall.ESRCH
	return err == nil
}

// groupLives reports whether the group has members that are not zombies. alive and
// err are the results of find.
func (p *run) groupLives(alive []procfs.Stat, err error) bool {
	if err != nil {
		return p.signalGroup(0)
	}
	for i := range alive {
		if alive[i].Group == p.tree.leader {
			return true
		}
	}
	return false
}

// signal sends s to the process that was found, and never to a later process with the
// same PID: it opens a pidfd and then compares the start time.
func (r *Reaper) signal(p *procfs.Stat, s syscall.Signal) error {
	if !r.hasPidfd {
		return Signal(-1, p.PID, p.Start, s)
	}
	fd, err := unix.PidfdOpen(p.PID, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if now, err := procfs.Proc.Stat(p.PID); err != nil || now.Start != p.Start {
		return syscall.ESRCH
	}
	return Signal(fd, p.PID, p.Start, s)
}
