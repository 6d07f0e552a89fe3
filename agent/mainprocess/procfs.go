package mainprocess

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/podhook/podhook/hooks/procstat"
)

// stat is what /proc/PID/stat says of a process.
type stat struct{ procstat.Stat }

// exited: only the exit status is left. A leader that has exited before the
// other threads of its process shows as a zombie too, and is not one.
func (s stat) exited() bool {
	return (s.State == 'Z' || s.State == 'X') && s.Threads <= 1
}

func procPath(pid int, name string) string {
	return "/proc/" + strconv.Itoa(pid) + "/" + name
}

func readStat(pid int) (stat, error) {
	s, err := procstat.Read("/proc", pid)
	return stat{s}, err
}

// isThread tells whether the number is one of a thread that does not lead its
// process: /proc does not list those, but has them.
func isThread(pid int) bool {
	text, err := readAtMost(procPath(pid, "status"), 4096)
	return err == nil && !bytes.Contains(text, fmt.Appendf(nil, "\nTgid:\t%d\n", pid))
}

// argv0 is the base name of the process's first argument; empty where the
// process has none or has gone.
func argv0(pid int) string {
	text, err := readAtMost(procPath(pid, "cmdline"), 4096)
	if err != nil {
		return ""
	}
	first, _, _ := bytes.Cut(text, []byte{0})
	return string(first[bytes.LastIndexByte(first, '/')+1:])
}

// ofAHook tells whether a hook's step started the process, by the variable
// that podhook puts into each step's environment. False where it cannot be read.
func ofAHook(pid int) bool {
	text, err := readAtMost(procPath(pid, "environ"), 4<<20)
	if err != nil {
		return false
	}
	const mark = "PODHOOK_RUN_ID="
	return bytes.HasPrefix(text, []byte(mark)) || bytes.Contains(text, []byte("\x00"+mark))
}

func readAtMost(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}

// scan reads every process of /proc that is alive, this one and kernel threads
// left out. Those that go meanwhile are left out too.
func scan() (map[int]stat, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	all := make(map[int]stat)
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		s, err := readStat(pid)
		if err != nil || s.KernelThread() || s.exited() {
			continue
		}
		all[pid] = s
	}
	return all, nil
}

// StartTime is when a process has started, in clock ticks since boot
// (proc_pid_stat(5), field 22).
func StartTime(pid int) (uint64, error) {
	s, err := readStat(pid)
	return s.Start, err
}
