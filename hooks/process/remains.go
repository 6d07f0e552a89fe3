package process

import (
	"context"
	"os"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/procfs"
)

// Remains identifies the processes that a run left behind when its podhook was killed.
// Without /proc none are found.
type Remains struct {
	// Mark is an environment entry that all processes of the run have.
	Mark string
	// Spared are entries that mark those of them that live on, such as background
	// processes of steps that succeeded.
	Spared []string
}

// EndMarked ends the processes that have the mark, their descendants and their process
// groups: first SIGTERM, then after killAfter SIGKILL to all that are left, including
// new ones. It never ends this process or an ancestor of it. It gives up after a few
// seconds on processes that hang in the kernel or belong to another user. ended counts
// the processes that were found, left those that still exist.
func (r *Reaper) EndMarked(of Remains, killAfter time.Duration) (ended, left int) {
	if of.Mark == "" {
		return 0, 0
	}
	return r.endAll(context.Background(), newFinder(of, nil), killAfter)
}

// KillDescendants sends SIGKILL to every descendant of this process until none is
// left, whatever their environment, and reaps those that become its children. This
// process must be a subreaper.
func (r *Reaper) KillDescendants(of Remains) (left int) {
	_, left = r.endAll(context.Background(), newFinder(of, func(int) bool { return true }), 0)
	return left
}

// EndDescendants sends SIGTERM to all descendants of this process but the programs of Run
// and their descendants. It waits for their end, and for that of what they start meanwhile
// in order to end, at most for patience or until ctx ends. Then those that are left get SIGKILL,
// unless this process is PID 1: its end kills them. late counts them. This process must be
// PID 1 or a subreaper. Without /proc it does nothing.
func (r *Reaper) EndDescendants(ctx context.Context, patience time.Duration) (late int) {
	orphan := func(pid int) bool {
		group, _ := unix.Getpgid(pid)
		r.mu.Lock()
		defer r.mu.Unlock()
		_, started := r.children[pid]
		_, beside := r.children[group] // the program left it in its group
		return !started && !beside
	}
	f := newFinder(Remains{}, orphan)
	f.spares = os.Getpid() == 1
	_, _ = r.endAll(ctx, f, patience)
	return f.late
}

func (r *Reaper) endAll(ctx context.Context, f *finder, killAfter time.Duration) (ended, left int) {
	ctx, cancel := context.WithTimeout(ctx, killAfter)
	defer cancel()
	var giveUp time.Time
	told := make(map[int]uint64)
	for first, pause := true, firstPause; ; first, pause = false, longer(pause) {
		orphans := r.orphanCount()
		alive, err := f.find()
		if err != nil {
			return 0, 0
		}
		killing := ctx.Err() != nil
		if killing && giveUp.IsZero() {
			giveUp = time.Now().Add(2 * killTime)
			f.late = len(alive)
		}
		for i := range alive {
			p := &alive[i]
			switch {
			case killing && !f.spares:
				_ = r.signal(p, syscall.SIGKILL) // after an error the process counts as left
			case told[p.PID] != p.Start && (first || f.ours == nil):
				told[p.PID] = p.Start
				_ = r.signal(p, syscall.SIGTERM)
				_ = r.signal(p, syscall.SIGCONT) // so that a stopped process acts on SIGTERM
			}
		}
		r.Reap()
		// An orphan that ended during the scan can have left a child that the scan
		// did not see.
		moved := r.orphanCount() != orphans
		if len(alive) == 0 && !moved || killing && (f.spares || time.Now().After(giveUp)) {
			return len(f.members), len(alive)
		}
		if moved {
			pause = 0
		}
		time.Sleep(pause)
	}
}

// finder finds the processes of a run whose start this process did not see.
type finder struct {
	of Remains
	// ours tells which children of this process belong to the run. Then the mark does not
	// matter. Nil: only the mark counts.
	ours   func(pid int) bool
	spares bool // nothing gets SIGKILL
	late   int  // how many have outlived killAfter
	census *census
	// members are all processes ever found, also those that ended: PID to start time.
	members map[int]uint64
	groups  map[int]bool
}

func newFinder(of Remains, ours func(pid int) bool) *finder {
	return &finder{of: of, ours: ours, census: new(census), members: make(map[int]uint64), groups: make(map[int]bool)}
}

// find returns the processes of the run that are alive.
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
		if f.ours != nil {
			marked = p.PPID == os.Getpid() && f.ours(p.PID)
		}
		switch {
		case safe[p.PID] || spared:
			safe[p.PID], groups[p.Group] = true, true
		case marked && !p.Exited():
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
			// A parent is older than its child. If the member is younger, it only has the
			// PID of the former parent.
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

// add adds a process, and its group unless a process that lives on is in it.
func (f *finder) add(p *procfs.Stat, safe map[int]bool) {
	f.members[p.PID] = p.Start
	if p.Group != 0 && !safe[p.Group] {
		f.groups[p.Group] = true
	}
}

// look reports whether a process has the run's mark, and whether it lives on.
func (f *finder) look(pid int) (marked, spared bool) {
	if f.of.Mark == "" {
		return false, false
	}
	for _, entry := range procfs.Proc.Environ(pid) {
		marked = marked || entry == f.of.Mark
		spared = spared || slices.Contains(f.of.Spared, entry)
	}
	return marked, marked && spared
}

// ancestors returns this process and its ancestors.
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
