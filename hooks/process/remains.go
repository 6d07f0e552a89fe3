package process

import (
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/podhook/podhook/hooks/procfs"
)

// Remains tells what a run whose podhook was killed has left behind. Without /proc
// nothing of it is found.
type Remains struct {
	// Mark is the entry that all processes of the run have in their environment.
	Mark string
	// Spared are entries beside it of those that live on, such as what its
	// successful steps have left in the background.
	Spared []string
}

// EndMarked ends what has the mark, and its descendants and their groups: SIGTERM,
// and SIGKILL after killAfter to what is left then, new processes included. It
// never ends this process or one that it descends from. It gives up after a few
// seconds, on processes that hang in the kernel or are another user's. ended counts
// the processes that were found, left those that are still there.
func (r *Reaper) EndMarked(of Remains, killAfter time.Duration) (ended, left int) {
	if of.Mark == "" {
		return 0, 0
	}
	return r.endAll(newFinder(of, false), killAfter)
}

// KillDescendants sends SIGKILL to every descendant of this process until none is
// left, and reaps those that become its children. Where it is a subreaper, they
// are what a child that was killed has left, whatever their environment.
func (r *Reaper) KillDescendants(of Remains) (left int) {
	_, left = r.endAll(newFinder(of, true), 0)
	return left
}

func (r *Reaper) endAll(f *finder, killAfter time.Duration) (ended, left int) {
	term := time.Now().Add(killAfter)
	giveUp := term.Add(2 * killTime)
	told := make(map[int]uint64)
	for pause := firstPause; ; pause = longer(pause) {
		orphans := r.orphanCount()
		alive, err := f.find()
		if err != nil {
			return 0, 0
		}
		killing := !time.Now().Before(term)
		for i := range alive {
			p := &alive[i]
			switch {
			case killing:
				_ = r.signal(p, syscall.SIGKILL) // one that cannot be killed is left
			case told[p.PID] != p.Start:
				told[p.PID] = p.Start
				_ = r.signal(p, syscall.SIGTERM)
				_ = r.signal(p, syscall.SIGCONT) // so that a stopped one can act on it
			}
		}
		r.reap()
		// An orphan that ended during the scan can have left another one that the
		// scan did not see.
		moved := r.orphanCount() != orphans
		if len(alive) == 0 && !moved || time.Now().After(giveUp) {
			return len(f.members), len(alive)
		}
		if moved {
			pause = 0
		}
		time.Sleep(pause)
	}
}

// finder finds the processes of a run that nobody has followed from its begin.
type finder struct {
	of Remains
	// ours: its processes are told by being our children, not by the mark.
	ours   bool
	census *census
	// members are all that were ever found, the dead included: pid to start.
	members map[int]uint64
	groups  map[int]bool
}

func newFinder(of Remains, ours bool) *finder {
	return &finder{of: of, ours: ours, census: new(census), members: make(map[int]uint64), groups: make(map[int]bool)}
}

// find lists what is alive of the run.
func (f *finder) find() ([]procfs.Stat, error) {
	all, err := f.census.scan()
	if err != nil {
		return nil, err
	}
	safe := ancestors(all)
	groups := make(map[int]bool) // of those
	var found []*procfs.Stat
	for i := range all {
		p := &all[i]
		marked, spared := f.look(p.PID)
		switch {
		case safe[p.PID] || spared:
			safe[p.PID], groups[p.Group] = true, true
		case !p.Exited() && (marked && !f.ours || f.ours && p.PPID == os.Getpid()):
			found = append(found, p)
		}
	}
	for _, p := range found {
		f.add(p, groups)
	}
	for grown := true; grown; {
		grown = false
		for i := range all {
			p := &all[i]
			// A parent that is a member cannot be younger; then its pid is reused.
			parent, child := f.members[p.PPID]
			if !safe[p.PID] && !f.has(p) && (child && parent <= p.Start || f.groups[p.Group]) {
				f.add(p, groups)
				grown = true
			}
		}
	}
	var alive []procfs.Stat
	for i := range all {
		if p := &all[i]; !p.Exited() && f.has(p) {
			alive = append(alive, *p)
		}
	}
	return alive, nil
}

func (f *finder) has(p *procfs.Stat) bool {
	start, ok := f.members[p.PID]
	return ok && start == p.Start
}

// add takes a process and its group in, but not a group that one which lives on
// is in.
func (f *finder) add(p *procfs.Stat, safe map[int]bool) {
	f.members[p.PID] = p.Start
	if p.Group != 0 && !safe[p.Group] {
		f.groups[p.Group] = true
	}
}

// look says whether a process has the run's mark, and whether it lives on.
func (f *finder) look(pid int) (marked, spared bool) {
	for _, entry := range procfs.Proc.Environ(pid) {
		marked = marked || entry == f.of.Mark
		spared = spared || slices.Contains(f.of.Spared, entry)
	}
	return marked, marked && spared
}

// ancestors are this process and those that it descends from.
func ancestors(all []procfs.Stat) map[int]bool {
	parent := make(map[int]int, len(all))
	for i := range all {
		parent[all[i].PID] = all[i].PPID
	}
	safe := map[int]bool{}
	for pid := os.Getpid(); pid > 0 && !safe[pid]; pid = parent[pid] {
		safe[pid] = true
	}
	return safe
}
