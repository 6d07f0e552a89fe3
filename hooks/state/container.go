package state

import (
	"strings"

	"github.com/podhook/podhook/hooks/procfs"
)

// containerIdentity is a short name for the container: different for every
// container of a pod and, as far as the runtime lets it be known, the same
// after a restart, so that a crash loop does not fill /dev/shm with
// directories.
//
//  1. kubelet mounts the termination log of each container from
//     .../pods/UID/containers/NAME/HASH; UID and NAME stay over restarts.
//  2. Else the root overlay's upperdir, which differs from container to
//     container (kubelet.md) and stays over `docker restart`.
//  3. Else the cgroup that is mounted, where its path has a container's ID:
//     fuse-overlayfs shows no upperdir.
//  4. Else what there is of the root mount. Its device number differs among
//     living containers, but may be another after a restart.
//
// "" where mountinfo cannot be read.
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

// podContainer gives UID/NAME of a path that ends in pods/UID/containers/NAME/HASH.
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

// option is the value of a mount option "name=value", "" where it is missing.
func option(options, name string) string {
	for _, o := range strings.Split(options, ",") {
		if v, ok := strings.CutPrefix(o, name+"="); ok {
			return v
		}
	}
	return ""
}
