package process

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/procfs"
)

// tree finds the processes that belong to one run. A process is told by
//
//   - its parents, up to the leader, at any of the scans;
//   - its process group, or a session of its own, if a member is in it: nobody
//     else can get into those;
//   - the marks in the environment it was started with;
//   - the run's pipes, if it holds one open;
//   - for those which escaped all this: being our child, which we did not
//     start, born after the leader. That is only known where we are a subreaper
//     and no other run or program is there whose orphan it could be; PID 1 gets
//     orphans of anybody.
type tree struct {
	leader int
	born   uint64 // no process of the run started before, in ticks
	census census
	marks  []string
	// members are all that were ever found, the dead included: pid to start.
	members map[int]uint64
	// groups and sessions of members, but not our own.
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

// strays says how children of ours that have left the run are told apart.
type strays struct {
	pipes []string
	// adopt: a child of ours that nobody knows belongs to the run.
	adopt bool
	// foreign are children of ours that don't, by pid and start; the start is 0
	// where any process of that pid is meant.
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

// close adds the children of members, and what is in their groups and sessions.
func (t *tree) close(all []procfs.Stat, self int) {
	for grown := true; grown; {
		grown = false
		for i := range all {
			p := &all[i]
			if p.PID == self || p.Start < t.born || t.has(p) {
				continue
			}
			// A parent that is a member cannot be younger; then its pid is reused.
			parent, child := t.members[p.PPID]
			if child && parent <= p.Start || t.groups[p.Group] || t.sessions[p.Session] {
				t.add(p)
				grown = true
			}
		}
	}
}

// elsewhere tells whether an orphan shares a session or a group with a process
// that is surely not of this run. Our own session says nothing: it is that of
// all who did not leave it.
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
