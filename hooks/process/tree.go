package process

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/procfs"
)

// tree finds the processes that belong to one run. A process belongs to it if
//
//   - it descends from the leader, at any of the scans;
//   - a member is in its process group or in its session, and that is not podhook's
//     own: no other process can enter those;
//   - the environment that it was started with has the marks;
//   - it holds a pipe of the run open;
//   - it is a child of podhook that podhook did not start, and it is younger than the
//     leader. That proves it only where podhook is a subreaper and there is no other
//     run or program whose orphan it can be. PID 1 gets the orphans of all processes.
type tree struct {
	leader int
	born   uint64 // no process of the run is older, in clock ticks since boot
	census census
	marks  []string
	// members are all processes ever found, also those that ended: PID to start time.
	members map[int]uint64
	// groups and sessions of members, without podhook's own.
	groups, sessions     map[int]bool
	ownGroup, ownSession int
}

func newTree(marks []string) *tree {
	session, _ := unix.Getsid(0)
	born := procfs.Now()
	return &tree{
		born: born, census: census{since: born}, marks: marks,
		members: make(map[int]uint64), groups: make(map[int]bool), sessions: make(map[int]bool),
		ownGroup: unix.Getpgrp(), ownSession: session,
	}
}

// strays tells which children of podhook belong to a run.
type strays struct {
	pipes []string
	// adopt: an unknown child of podhook belongs to the run.
	adopt bool
	// foreign are children of podhook that do not belong to the run: PID to start time,
	// which is 0 where any process with the PID is meant.
	foreign map[int]uint64
}

// find returns the processes of the run that are alive.
func (t *tree) find(all []procfs.Stat, s strays) []procfs.Stat {
	self := os.Getpid()
	for i := range all {
		p := &all[i]
		if p.PID == t.leader && len(t.members) == 0 || p.Group == t.leader {
			t.add(p)
		}
	}
	t.close(all, self)
	for i := range all {
		p := &all[i]
		if p.PID == self || p.Start < t.born || t.has(p) || p.Exited() {
			continue
		}
		adopted := s.adopt && p.PPID == self && !s.isForeign(p) && !t.elsewhere(all, p, s)
		if adopted || hasMarks(p.PID, t.marks) || holds(p.PID, s.pipes) {
			t.add(p)
		}
	}
	t.close(all, self)
	var alive []procfs.Stat
	for _, p := range all {
		if !p.Exited() && p.PID != self && t.has(&p) {
			alive = append(alive, p)
		}
	}
	return alive
}

func (t *tree) add(p *procfs.Stat) {
	t.members[p.PID] = p.Start
	if p.Group != t.ownGroup {
		t.groups[p.Group] = true
	}
	if p.Session != t.ownSession {
		t.sessions[p.Session] = true
	}
}

func (t *tree) has(p *procfs.Stat) bool {
	start, ok := t.members[p.PID]
	return ok && start == p.Start
}

// close adds the children of members, and the processes in their groups and sessions.
func (t *tree) close(all []procfs.Stat, self int) {
	for grown := true; grown; {
		grown = false
		for i := range all {
			p := &all[i]
			if p.PID == self || p.Start < t.born || t.has(p) {
				continue
			}
			// A parent is older than its child. If the member is younger, it only has the
			// PID of the former parent.
			parent, child := t.members[p.PPID]
			if child && parent <= p.Start || t.groups[p.Group] || t.sessions[p.Session] {
				t.add(p)
				grown = true
			}
		}
	}
}

// elsewhere reports whether an orphan shares a session or a group with a process that
// certainly does not belong to this run. Podhook's own session proves nothing, because
// every process is in it that did not leave it.
func (t *tree) elsewhere(all []procfs.Stat, orphan *procfs.Stat, s strays) bool {
	for i := range all {
		p := &all[i]
		if t.has(p) || p.Start >= t.born && !s.isForeign(p) {
			continue
		}
		if p.Group == orphan.Group || p.Session == orphan.Session && p.Session != t.ownSession {
			return true
		}
	}
	return false
}

func (s strays) isForeign(p *procfs.Stat) bool {
	start, ok := s.foreign[p.PID]
	return ok && (start == 0 || start == p.Start)
}
