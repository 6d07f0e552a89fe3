package state

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"maps"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/procfs"
)

// Instance is one start of one container. Every process of the container gets the
// same Instance, also an exec'd one and one of another user. A restarted container
// gets another one, even if its state is on a volume that outlives the restart.
//
// It is derived from the container's first process: the oldest one that has the same
// root mount as this process. That is PID 1, except with shareProcessNamespace or
// hostPID, where PID 1 is the pod's pause or the machine's init and outlives
// restarts. Outside of any container the first process is the machine's init, and
// the instance lasts until the next boot.
//
// Where /proc is missing, hides PID 1 or does not show the root mount, PID 1 stands
// for the container, by the inode number of its pidfd (Linux 6.9) if there is one.
// Then all processes still agree, but a restart may go unseen.
type Instance struct {
	// ID is 16 hexadecimal digits.
	ID string
	// Container is the container's identity, 16 hexadecimal digits. It is the same
	// after a restart if the runtime shows enough of the container.
	Container string
	// Boot identifies the boot of the machine, 16 hexadecimal digits.
	Boot string
	// Alone: this process is the first one of its container, and its PID namespace is
	// shared with other containers. So what it looks after is in another container.
	Alone bool
}

// firstProcess identifies an instance within one boot of the machine.
type firstProcess struct {
	root  string // ID of its root mount, unique among the mounts that exist
	pid   int
	start uint64 // clock ticks since boot
}

func currentInstance(proc procfs.FS) Instance {
	in := Instance{Container: containerIdentity(proc), Boot: shortHash(proc.BootID())}
	if in.Container == "" {
		in.Container = shortHash("unknown")
	}
	first, ok := findFirst(proc)
	if !ok {
		in.ID = shortHash("pid 1", proc.BootID(), in.Container, pidInode(1))
		return in
	}
	in.ID = instanceID(proc, first)
	in.Alone = first.pid != 1 && first.pid == os.Getpid()
	return in
}

func instanceID(proc procfs.FS, first firstProcess) string {
	return shortHash(proc.BootID(), first.root, strconv.Itoa(first.pid), strconv.FormatUint(first.start, 10))
}

// FirstProcess returns the PID of the container's first process (see Instance), or 1
// where it is unknown.
func FirstProcess() int {
	if first, ok := findFirst(procfs.Proc); ok {
		return first.pid
	}
	return 1
}

// findFirst finds the oldest process that has the same root mount as this one.
func findFirst(proc procfs.FS) (firstProcess, bool) {
	ours, one := proc.RootMount(procfs.Self), proc.RootMount(1)
	if ours == "" || one == "" {
		return firstProcess{}, false
	}
	if one == ours {
		st, err := proc.Stat(1)
		return firstProcess{ours, 1, st.Start}, err == nil
	}
	return oldestWith(proc, ours)
}

// oldestWith finds the oldest process that has this root mount.
func oldestWith(proc procfs.FS, root string) (firstProcess, bool) {
	all, _ := proc.Programs()
	oldestFirst := func(a, b procfs.Stat) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.PID, b.PID))
	}
	for _, p := range slices.SortedFunc(maps.Values(all), oldestFirst) {
		if proc.RootMount(p.PID) == root {
			return firstProcess{root, p.PID, p.Start}, true
		}
	}
	return firstProcess{}, false
}

// pidInode returns a number that no other process gets while the machine runs. It is
// empty before Linux 6.9, which has no pidfs.
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

// shortHash makes 16 hexadecimal digits of parts. It is no protection against
// somebody who looks for a collision.
func shortHash(parts ...string) string {
	h := fnv.New64a()
	for _, p := range parts {
		_, _ = h.Write([]byte(p))
		_, _ = h.Write([]byte{0})
	}
	return fmt.Sprintf("%016x", h.Sum64())
}
