// Package procstat reads what Linux says of a process in /proc/PID/stat.
package procstat

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Stat are the fields of proc_pid_stat(5) that podhook needs. A PID and a start
// time together are never used twice while the machine runs.
type Stat struct {
	PID, PPID, Group, Session int
	// Comm is the program's name, of at most 15 bytes.
	Comm    string
	State   byte
	Flags   uint64
	Threads int
	// Start is in clock ticks since boot, hundredths of a second; see Started.
	Start uint64
}

// kernelThread is PF_KTHREAD of Linux's include/linux/sched.h.
const kernelThread = 0x00200000

// KernelThread says whether it is a thread of the kernel and no program.
func (s Stat) KernelThread() bool { return s.Flags&kernelThread != 0 }

// Read reads a process's stat below proc, which is where procfs is mounted.
func Read(proc string, pid int) (Stat, error) {
	text, err := os.ReadFile(proc + "/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return Stat{}, err
	}
	return parse(text)
}

// parse counts the fields after the last parenthesis: the name in front of it may
// hold anything, also spaces and parentheses.
func parse(text []byte) (Stat, error) {
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 1 || end < open {
		return Stat{}, fmt.Errorf("unexpected text in /proc/PID/stat: %q", text)
	}
	const first = 3 // the number of fields[0] in proc_pid_stat(5)
	fields := strings.Fields(string(text[end+1:]))
	if len(fields) <= 22-first {
		return Stat{}, fmt.Errorf("too few fields in /proc/PID/stat: %q", text)
	}
	s := Stat{Comm: string(text[open+1 : end]), State: fields[0][0]}
	var firstErr error
	number := func(field string) uint64 {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil && firstErr == nil {
			firstErr = err
		}
		return uint64(n)
	}
	s.PID = int(number(strings.TrimSpace(string(text[:open]))))
	s.PPID = int(number(fields[4-first]))
	s.Group = int(number(fields[5-first]))
	s.Session = int(number(fields[6-first]))
	s.Flags = number(fields[9-first])
	s.Threads = int(number(fields[20-first]))
	s.Start = number(fields[22-first])
	return s, firstErr
}

// tick is a clock tick: USER_HZ is 100 on all that Go runs on.
const tick = 10 * time.Millisecond

// Now is the present in clock ticks since boot, as a process's start is told; 0 where
// it is not known.
func Now() uint64 {
	var sinceBoot unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &sinceBoot) != nil {
		return 0
	}
	return uint64(sinceBoot.Nano()) / uint64(tick)
}

// Started is the time of a start in clock ticks since boot, suspended time included,
// by the clock as it is set now; zero where it is not known.
func Started(ticks uint64) time.Time {
	const quick = time.Millisecond
	var before, after unix.Timespec
	if ticks == 0 {
		return time.Time{}
	}
	var started time.Time
	for range 10 {
		if unix.ClockGettime(unix.CLOCK_BOOTTIME, &before) != nil {
			return time.Time{}
		}
		now := time.Now().Round(0)
		_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &after) // as the first did
		started = now.Add(time.Duration(ticks)*tick - time.Duration(before.Nano()))
		if after.Nano()-before.Nano() < int64(quick) {
			break // else we were held up between the two clocks
		}
	}
	return started
}
