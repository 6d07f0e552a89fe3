package process

import (
	"os"

	"golang.org/x/sys/unix"
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
	born := ticks()
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
func (t *tree) find(all []proc, s strays) []proc {
	self := os.Getpid()
	for i := range all {
		p := &all[i]
		if p.pid == t.leader && len(t.members) == 0 || p.group == t.leader {
			t.add(p)
		}
	}
	t.close(all, self)
	for i := range all {
		p := &all[i]
		if p.pid == self || p.start < t.born || t.has(p) || p.zombie {
			continue
		}
		adopted := s.adopt && p.ppid == self && !s.isForeign(p) && !t.elsewhere(all, p, s)
		if adopted || hasMarks(p.pid, t.marks) || holds(p.pid, s.pipes) {
			t.add(p)
		}
	}
	t.close(all, self)
	var alive []proc
	for _, p := range all {
		if !p.zombie && p.pid != self && t.has(&p) {
			alive = append(alive, p)
		}
	}
	return alive
}

func (t *tree) add(p *proc) {
	t.members[p.pid] = p.start
	if p.group != t.ownGroup {
		t.groups[p.group] = true
	}
	if p.session != t.ownSession {
		t.sessions[p.session] = true
	}
}

func (t *tree) has(p *proc) bool {
	start, ok := t.members[p.pid]
	return ok && start == p.start
}

// close adds the children of members, and what is in their groups and sessions.
func (t *tree) close(all []proc, self int) {
	for grown := true; grown; {
		grown = false
		for i := range all {
			p := &all[i]
			if p.pid == self || p.start < t.born || t.has(p) {
				continue
			}
			// A parent that is a member cannot be younger; then its pid is reused.
			parent, child := t.members[p.ppid]
			if child && parent <= p.start || t.groups[p.group] || t.sessions[p.session] {
				t.add(p)
				grown = true
			}
		}
	}
}

// elsewhere tells whether an orphan shares a session or a group with a process
// that is surely not of this run. Our own session says nothing: it is that of
// all who did not leave it.
func (t *tree) elsewhere(all []proc, orphan *proc, s strays) bool {
	for i := range all {
		p := &all[i]
		if t.has(p) || p.start >= t.born && !s.isForeign(p) {
			continue
		}
		if p.group == orphan.group || p.session == orphan.session && p.session != t.ownSession {
			return true
		}
	}
	return false
}

func (s strays) isForeign(p *proc) bool {
	start, ok := s.foreign[p.pid]
	return ok && (start == 0 || start == p.start)
}
