// Package procfs reads /proc, and the clock by which it counts start times.
package procfs

import (
	"bytes"
	"io"
	"os"
	"strconv"
	"strings"
)

// FS is a directory where procfs is mounted. Its methods may be called from any
// goroutine.
type FS string

// Proc is where procfs is mounted on every Linux.
const Proc FS = "/proc"

// Self stands for the PID of this process. It works in the /proc of another PID
// namespace too.
const Self = -1

// Path returns the path of a file of a process.
func (f FS) Path(pid int, name string) string {
	if pid == Self {
		return string(f) + "/self/" + name
	}
	return string(f) + "/" + strconv.Itoa(pid) + "/" + name
}

// Read reads at most limit bytes of a file of a process.
func (f FS) Read(pid int, name string, limit int64) ([]byte, error) {
	file, err := os.Open(f.Path(pid, name))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, limit))
}

// PIDs lists all processes, in no order.
func (f FS) PIDs() ([]int, error) {
	dir, err := os.Open(string(f))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// Programs returns the processes that are alive, by PID. Kernel threads are left
// out, and so are processes that end during the call.
func (f FS) Programs() (map[int]Stat, error) {
	pids, err := f.PIDs()
	if err != nil {
		return nil, err
	}
	all := make(map[int]Stat)
	for _, pid := range pids {
		if s, err := f.Stat(pid); err == nil && !s.KernelThread() && !s.Exited() {
			all[pid] = s
		}
	}
	return all, nil
}

// Status returns the value of a field of proc_pid_status(5), such as "Tgid". It
// is empty where it cannot be read.
func (f FS) Status(pid int, field string) string {
	text, err := f.Read(pid, "status", 1<<16)
	if err != nil {
		return ""
	}
	_, rest, _ := bytes.Cut(text, []byte("\n"+field+":"))
	value, _, _ := bytes.Cut(rest, []byte("\n"))
	return string(bytes.TrimSpace(value))
}

// Environ returns the environment that a process was started with, and nothing
// where this user may not read it.
func (f FS) Environ(pid int) []string {
	const limit = 8 << 20 // execve(2) takes less than 6 MiB
	text, err := f.Read(pid, "environ", limit)
	if err != nil {
		return nil
	}
	return strings.Split(string(text), "\x00")
}

// BootID returns the name of this boot of the machine, empty where it is unknown.
func (f FS) BootID() string {
	id, _ := os.ReadFile(string(f) + "/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(id))
}
