package state

import "strings"

// containerIdentity is a short name for the container: different for every
// container of a pod and, as far as the runtime lets it be known, the same
// after a restart, so that a crash loop does not fill /dev/shm with
// directories.
//
//  1. kubelet mounts the termination log of each container from
//     .../pods/UID/containers/NAME/HASH; UID and NAME stay over restarts.
//  2. Else the root overlay's upperdir, which differs from container to
//     container (kubelet.md) and stays over `docker restart`.
//  3. Else what there is of the root mount.
//
// "" where mountinfo cannot be read.
func containerIdentity(mountinfo string) string {
	var pod, upper, root string
	err := eachMount(mountinfo, func(m mount) bool {
		if name := podContainer(m.root); name != "" {
			pod = name
			return false
		}
		if m.point == "/" {
			upper = option(m.options, "upperdir")
			root = strings.Join([]string{m.fsType, m.source, m.root, m.dev}, "\x00")
		}
		return true
	})
	switch {
	case err != nil:
		return ""
	case pod != "":
		return shortHash("pod", pod)
	case upper != "":
		return shortHash("upperdir", upper)
	case root != "":
		return shortHash("root", root)
	}
	return ""
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
