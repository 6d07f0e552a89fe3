package procfs

import (
	"bufio"
	"io"
	"os"
	"strings"
)

// Mount is a line of /proc/PID/mountinfo (proc_pid_mountinfo(5)). Spaces in paths
// stay escaped as the kernel escapes them.
type Mount struct {
	ID, Dev, Root, Point, Type, Source, Options string
}

func parseMount(line string) (m Mount, ok bool) {
	f := strings.Fields(line)
	if len(f) < 9 {
		return Mount{}, false
	}
	m = Mount{ID: f[0], Dev: f[2], Root: f[3], Point: f[4]}
	for i := 6; i+3 <= len(f); i++ {
		if f[i] != "-" {
			continue
		}
		m.Type, m.Source = f[i+1], f[i+2]
		if i+3 < len(f) {
			m.Options = f[i+3]
		}
		return m, true
	}
	return Mount{}, false
}

// RootMount returns the ID of the root mount of a process. Two processes with the
// same one share a root, because no two mounts that exist have the same ID. It is
// empty where it cannot be read or where the root is no mount point (chroot). Every
// user may read it. Only as much as necessary is read: with hostPID there are hundreds
// of processes with hundreds of mounts each.
func (f FS) RootMount(pid int) string {
	id := ""
	_ = f.EachMount(pid, func(m Mount) bool {
		if m.Point == "/" {
			id = m.ID
		}
		return id == ""
	})
	return id
}

// EachMount calls visit for the mounts of a process until visit returns false.
func (f FS) EachMount(pid int, visit func(Mount) bool) error {
	file, err := os.Open(f.Path(pid, "mountinfo"))
	if err != nil {
		return err
	}
	defer file.Close()
	r := bufio.NewReaderSize(file, 1024) // the root is mostly in the first lines
	for {
		line, err := r.ReadString('\n')
		if m, ok := parseMount(line); ok && !visit(m) {
			return nil
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
