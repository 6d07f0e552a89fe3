package state

import (
	"bufio"
	"io"
	"os"
	"strings"
)

// mount is a line of /proc/PID/mountinfo (proc_pid_mountinfo(5)). Spaces in
// paths stay escaped as the kernel does it.
type mount struct {
	id, dev, root, point, fsType, source, options string
}

// parseMount reads one line; a line that is none gives false.
func parseMount(line string) (mount, bool) {
	f := strings.Fields(line)
	if len(f) < 9 {
		return mount{}, false
	}
	m := mount{id: f[0], dev: f[2], root: f[3], point: f[4]}
	for i := 6; i+3 <= len(f); i++ {
		if f[i] != "-" {
			continue
		}
		m.fsType, m.source = f[i+1], f[i+2]
		if i+3 < len(f) {
			m.options = f[i+3]
		}
		return m, true
	}
	return mount{}, false
}

// rootMountID is the ID of a process's root mount, "" where it cannot be read
// or its root is no mount point (chroot). Mount IDs are unique among the live
// mounts of the machine, so two processes with the same one share a root.
// mountinfo is readable for every user. It reads no more than it has to: with
// hostPID there are hundreds of processes with hundreds of mounts each.
func rootMountID(path string) string {
	id := ""
	_ = eachMount(path, func(m mount) bool {
		if m.point == "/" {
			id = m.id
		}
		return id == ""
	})
	return id
}

// eachMount calls visit for the mounts of a mountinfo file until it returns false.
func eachMount(path string, visit func(mount) bool) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 4096)
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
