package state

import (
	"strings"

	"github.com/podhook/podhook/hooks/procfs"
)

// containerIdentity returns a short name for the container. It is different for every
// container of a pod. If the runtime shows enough of the container, it is the same after a
// restart, so that a crash loop does not fill /dev/shm with directories. It is derived from
// the first of these that there is:
//
//  1. The termination log. kubelet mounts that of each container from
//     .../pods/UID/containers/NAME/HASH; UID and NAME are the same after restarts.
//  2. The upperdir of the root overlay. Every container has its own
//     (deploy/kubernetes/kubelet.md), and it is the same after `docker restart`.
//  3. The mounted cgroup, if its path contains a container's ID: fuse-overlayfs shows
//     no upperdir.
//  4. The root mount. Its device number is different for all containers that exist, but
//     may change with a restart.
//
// It is empty where mountinfo cannot be read.
func containerIdentity(proc procfs.FS) string {
	var pod, upper, group, root string
	err := proc.EachMount(procfs.Self, func(m procfs.Mount) bool {
		pod = podContainer(m.Root)
		switch {
		case m.Point == "/":
			upper = option(m.Options, "upperdir")
			root = strings.Join([]string{m.Type, m.Source, m.Root, m.Dev}, "\x00")
		case group == "" && strings.HasPrefix(m.Type, "cgroup") && hasContainerID(m.Root):
			group = m.Root
		}
		return pod == ""
	})
	switch {
	case err != nil:
		return ""
	case pod != "":
		return shortHash("pod", pod)
	case upper != "":
		return shortHash("upperdir", upper)
	case group != "":
		return shortHash("cgroup", group)
	case root != "":
		return shortHash("root", root)
	}
	return ""
}

// hasContainerID looks for 64 hexadecimal digits, as in /docker/ID,
// docker-ID.scope, libpod-ID.scope and cri-containerd-ID.scope.
func hasContainerID(path string) bool {
	run := 0
	for i := 0; i < len(path) && run < 64; i++ {
		if c := path[i]; c >= '0' && c <= '9' || c >= 'a' && c <= 'f' {
			run++
		} else {
			run = 0
		}
	}
	return run >= 64
}

// podContainer returns UID/NAME of a path that ends in pods/UID/containers/NAME/HASH.
func podContainer(root string) string {
	p := strings.Split(root, "/")
	n := len(p)
	if n < 6 || p[n-5] != "pods" || p[n-3] != "containers" {
		return ""
	}
	uid, name, hash := p[n-4], p[n-2], p[n-1]
	if uid == "" || name == "" || hash == "" {
		return ""
	}
	return uid + "/" + name
}

// option returns the value of a mount option "name=value", "" where it is missing.
func option(options, name string) string {
	for _, o := range strings.Split(options, ",") {
		if v, ok := strings.CutPrefix(o, name+"="); ok {
			return v
		}
	}
	return ""
}
