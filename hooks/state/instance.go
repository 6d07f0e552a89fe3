package state

import (
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/procstat"
)

// Instance is one start of one container. Every process of the container,
// also an exec'd one and one of another user, comes to the same; a restarted
// container is a new one, whatever volume its state lies on.
//
// It is told by the container's first process: the oldest one whose root mount
// is ours. That is PID 1, or with shareProcessNamespace or hostPID (where PID 1
// is the pod's pause or the machine's init and outlives restarts) another one.
// Outside of any container the first process is the machine's init, and the
// instance lasts until the next boot.
type Instance struct {
	// ID is 16 hexadecimal digits.
	ID string
	// Container is the container's identity, 16 hexadecimal digits; it stays
	// over a restart where the runtime lets it be known.
	Container string
	// Boot names the machine's boot, 16 hexadecimal digits.
	Boot string
	// Since is the start of the container's first process, to about 10 ms;
	// zero where it is not known.
	Since time.Time
	// Alone: this process is its container's first one, in a PID namespace that is
	// shared with other containers, so that what it looks after is in one of those.
	Alone bool
	// Unsure is true where /proc is missing, hides PID 1 or does not tell our
	// root. Then PID 1 stands for the container, by its pidfd's inode number
	// (Linux 6.9), or nothing does: processes still agree, but a restart may
	// go unseen.
	Unsure bool
}

// firstProcess is what names an instance within a boot of the machine.
type firstProcess struct {
	root  string // ID of its root mount, unique among those of the living
	pid   int
	start uint64 // clock ticks (1/100 s) after boot, proc_pid_stat(5)
}

func currentInstance(proc string) Instance {
	in := Instance{Container: containerIdentity(filepath.Join(proc, "self/mountinfo")), Boot: shortHash(bootID(proc))}
	if in.Container == "" {
		in.Container = shortHash("unknown")
	}
	first, ok := findFirst(proc)
	if !ok {
		in.Unsure = true
		in.ID = shortHash("pid 1", bootID(proc), in.Container, pidInode(1))
		return in
	}
	in.ID = instanceID(proc, first)
	in.Since = procstat.Started(first.start)
	in.Alone = first.pid != 1 && first.pid == os.Getpid()
	return in
}

// instanceID names the start of a container by its first process.
func instanceID(proc string, first firstProcess) string {
	return shortHash(bootID(proc), first.root, strconv.Itoa(first.pid), strconv.FormatUint(first.start, 10))
}

func bootID(proc string) string {
	boot, _ := os.ReadFile(filepath.Join(proc, "sys/kernel/random/boot_id"))
	return strings.TrimSpace(string(boot))
}

// FirstProcess returns the PID of the container's first process (see Instance). It is
// 1 where that cannot be told.
func FirstProcess() int {
	if first, ok := findFirst("/proc"); ok {
		return first.pid
	}
	return 1
}

// findFirst finds the oldest process that has the same root mount as we have.
func findFirst(proc string) (firstProcess, bool) {
	ours := rootMountID(filepath.Join(proc, "self/mountinfo"))
	one := rootMountID(filepath.Join(proc, "1/mountinfo"))
	if ours == "" || one == "" {
		return firstProcess{}, false
	}
	if one == ours {
		st, err := procstat.Read(proc, 1)
		return firstProcess{ours, 1, st.Start}, err == nil
	}
	return oldestWith(proc, ours)
}

// oldestWith finds the oldest process that has this root mount.
func oldestWith(proc, root string) (firstProcess, bool) {
	for _, p := range oldestFirst(proc) {
		if rootMountID(filepath.Join(proc, strconv.Itoa(p.pid), "mountinfo")) == root {
			p.root = root
			return p, true
		}
	}
	return firstProcess{}, false
}

// oldestFirst lists the processes, but no kernel threads, by age.
func oldestFirst(proc string) []firstProcess {
	d, err := os.Open(proc)
	if err != nil {
		return nil
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	var all []firstProcess
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if st, err := procstat.Read(proc, pid); err == nil && !st.KernelThread() {
			all = append(all, firstProcess{pid: pid, start: st.Start})
		}
	}
	sort.Slice(all, func(i, j int) bool {
		if all[i].start != all[j].start {
			return all[i].start < all[j].start
		}
		return all[i].pid < all[j].pid
	})
	return all
}

// pidInode is unique for a process while the machine runs, since Linux 6.9
// (pidfs); "" before.
func pidInode(pid int) string {
	const pidfsMagic = 0x50494446 // PID_FS_MAGIC of linux/magic.h
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	var fs unix.Statfs_t
	var st unix.Stat_t
	if unix.Fstatfs(fd, &fs) != nil || fs.Type != pidfsMagic || unix.Fstat(fd, &st) != nil {
		return ""
	}
	return strconv.FormatUint(st.Ino, 10)
}

// shortHash makes 16 hexadecimal digits of parts. It keeps apart, it protects nothing.
func shortHash(parts ...string) string {
	h := fnv.New64a()
	for _, p := range parts {
		_, _ = h.Write([]byte(p))
		_, _ = h.Write([]byte{0})
	}
	return fmt.Sprintf("%016x", h.Sum64())
}
