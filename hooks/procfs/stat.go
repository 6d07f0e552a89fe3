package procfs

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// Stat holds the fields of proc_pid_stat(5) that podhook needs. No two processes
// have the same PID and the same start time while the machine runs.
type Stat struct {
	PID, PPID, Group, Session int
	// Comm is the name of the program, cut to 15 bytes.
	Comm    string
	State   byte
	Flags   uint64
	Threads int
	// Start is in clock ticks since boot; see Started.
	Start uint64
}

// KernelThread reports whether this is a thread of the kernel and not a program.
func (s Stat) KernelThread() bool {
	const kernelThread = 0x00200000 // PF_KTHREAD of Linux's include/linux/sched.h
	return s.Flags&kernelThread != 0
}

// Exited reports whether only the exit status is left. A process whose first
// thread has ended before the others also shows as a zombie, but it runs.
func (s Stat) Exited() bool { return (s.State == 'Z' || s.State == 'X') && s.Threads <= 1 }

// Stat reads /proc/PID/stat.
func (f FS) Stat(pid int) (Stat, error) {
	text, err := f.Read(pid, "stat", 4096)
	if err != nil {
		return Stat{}, err
	}
	return parse(text)
}

// parse counts the fields after the last parenthesis, because the name before it
// may contain spaces and parentheses.
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
