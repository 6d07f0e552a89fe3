package process

import (
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/procfs"
)

// census lists the processes of this PID namespace, again and again.
type census struct {
	// since is a start time. Processes that are older are read only once, so that a
	// later scan is fast enough to catch processes that keep forking.
	since   uint64
	old     map[int]procfs.Stat
	checked bool
}

// scan fails where /proc is not mounted, or shows the PIDs of another namespace.
func (c *census) scan() ([]procfs.Stat, error) {
	if !c.checked {
		// In the /proc of an outer namespace NSpid has one number per level.
		if procfs.Proc.Status(procfs.Self, "NSpid") != strconv.Itoa(os.Getpid()) {
			return nil, unix.ENOTSUP
		}
		c.checked, c.old = true, make(map[int]procfs.Stat)
	}
	pids, err := procfs.Proc.PIDs()
	if err != nil {
		return nil, err
	}
	all := make([]procfs.Stat, 0, len(pids))
	for _, pid := range pids {
		p, known := c.old[pid]
		if !known {
			if p, err = procfs.Proc.Stat(pid); err != nil {
				continue // it has just ended
			}
			if p.Start < c.since {
				c.old[pid] = p
			}
		}
		all = append(all, p)
	}
	return all, nil
}

// hasMarks reports whether the environment that a process was started with has all
// the entries.
func hasMarks(pid int, marks []string) bool {
	if len(marks) == 0 {
		return false
	}
	environ := procfs.Proc.Environ(pid)
	return !slices.ContainsFunc(marks, func(mark string) bool { return !slices.Contains(environ, mark) })
}

// holds reports whether a process has one of the pipes open.
func holds(pid int, pipes []string) bool {
	if len(pipes) == 0 {
		return false
	}
	path := procfs.Proc.Path(pid, "fd")
	dir, err := os.Open(path)
	if err != nil {
		return false
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	return slices.ContainsFunc(names, func(name string) bool {
		target, err := os.Readlink(path + "/" + name)
		return err == nil && slices.Contains(pipes, target)
	})
}
