package process

import (
	"bytes"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/procstat"
)

// proc is what /proc/PID/stat says of a process (proc_pid_stat(5)). A pid and
// a start time together are never used twice.
type proc struct {
	pid, ppid, group, session int
	start                     uint64 // ticks since boot
	zombie                    bool
}

// census lists the processes of our PID namespace, again and again.
type census struct {
	// since is a start time. Processes that are older are read only once: so
	// a later scan is fast enough to catch processes that keep forking.
	since   uint64
	old     map[int]proc
	checked bool
}

// scan fails where /proc is not mounted, or is that of another namespace, whose
// numbers are not ours.
func (c *census) scan() ([]proc, error) {
	if !c.checked {
		if err := checkProc(); err != nil {
			return nil, err
		}
		c.checked, c.old = true, make(map[int]proc)
	}
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var all []proc
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		p, known := c.old[pid]
		if !known {
			if p, err = readProc(pid); err != nil {
				continue // it has just gone
			}
			if p.start < c.since {
				c.old[pid] = p
			}
		}
		all = append(all, p)
	}
	return all, nil
}

// checkProc: in a /proc of an outer namespace NSpid has a number for each
// level in between, and "self" is our number out there.
func checkProc() error {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	_, rest, _ := bytes.Cut(status, []byte("\nNSpid:"))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	if strings.TrimSpace(string(line)) != strconv.Itoa(os.Getpid()) {
		return unix.ENOTSUP
	}
	return nil
}

func readProc(pid int) (proc, error) {
	s, err := procstat.Read("/proc", pid)
	return proc{pid: pid, ppid: s.PPID, group: s.Group, session: s.Session, start: s.Start, zombie: s.State == 'Z' || s.State == 'X'}, err
}

// hasMarks tells whether the environment that a process was started with has
// all the entries.
func hasMarks(pid int, marks []string) bool {
	if len(marks) == 0 {
		return false
	}
	environ, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return false
	}
	missing := len(marks)
	for _, entry := range strings.Split(string(environ), "\x00") {
		for _, mark := range marks {
			if entry == mark {
				missing--
			}
		}
	}
	return missing <= 0
}

// holds tells whether a process has one of the pipes open.
func holds(pid int, pipes []string) bool {
	if len(pipes) == 0 {
		return false
	}
	path := "/proc/" + strconv.Itoa(pid) + "/fd"
	dir, err := os.Open(path)
	if err != nil {
		return false
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		target, err := os.Readlink(path + "/" + name)
		if err != nil {
			continue
		}
		for _, pipe := range pipes {
			if target == pipe {
				return true
			}
		}
	}
	return false
}

// ticks is the time as start times count it: since boot, in hundredths of
// a second (USER_HZ is 100 on all that Go runs on).
func ticks() uint64 {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &now) != nil {
		return 0
	}
	return uint64(now.Sec)*100 + uint64(now.Nsec)/10_000_000
}
