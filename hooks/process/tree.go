package process

import "os"

// tree finds the processes that belong to one run. A process is told by
//
//   - its parents, up to the leader, at any of the scans;
//   - the leader's process group, and groups and sessions made by its own;
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
}

func newTree(marks []string) *tree {
	born := ticks()
	return &tree{born: born, census: census{since: born}, marks: marks, members: make(map[int]uint64)}
}

// strays says how children of ours that have left the run are told apart.
type strays struct {
	pipes []string
	// adopt: a child of ours that nobody knows belongs to the run.
	adopt bool
	// foreign are children of ours that don't, by pid and start; the start is 0
	// where any process of that pid is meant.
	foreign map[int]uint64
	// session is our own.
	session int
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

func (t *tree) add(p *proc) { t.members[p.pid] = p.start }

func (t *tree) has(p *proc) bool {
	start, ok := t.members[p.pid]
	return ok && start == p.start
}

// close adds the children of members, and what is in their groups and sessions.
func (t *tree) close(all []proc, self int) {
	now := make(map[int]uint64, len(all))
	for i := range all {
		now[all[i].pid] = all[i].start
	}
	// led: pid, which p names as parent or leader, is a member, and that pid is
	// nobody else's by now.
	led := func(pid int, p *proc) bool {
		start, ok := t.members[pid]
		present, taken := now[pid]
		return ok && start <= p.start && (!taken || present == start)
	}
	for grown := true; grown; {
		grown = false
		for i := range all {
			p := &all[i]
			if p.pid == self || p.start < t.born || t.has(p) {
				continue
			}
			if led(p.ppid, p) || led(p.group, p) || led(p.session, p) {
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
		if p.group == orphan.group || p.session == orphan.session && p.session != s.session {
			return true
		}
	}
	return false
}

func (s strays) isForeign(p *proc) bool {
	start, ok := s.foreign[p.pid]
	return ok && (start == 0 || start == p.start)
}
