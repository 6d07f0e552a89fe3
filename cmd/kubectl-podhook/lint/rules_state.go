package lint

import (
	"maps"
	"slices"
	"strings"

	"github.com/podhook/podhook/hooks/config"
)

// stateDir finds directories for the state, and markers, that cannot be written. Without
// PODHOOK_STATE_DIR the state is in /dev/shm where nothing else can be written.
func stateDir(p *pod) (list []finding) {
	for _, c := range p.containers {
		if !c.hasHooks() {
			continue
		}
		if dir := string(c.settings.StateDir); dir != "" {
			if why := p.readOnly(c, dir); why != "" {
				list = append(list, found(c.at("env", "PODHOOK_STATE_DIR"), dir, why+": mount an emptyDir there, or leave PODHOOK_STATE_DIR out, and /dev/shm has the state"))
			}
		}
		if c.hooks == nil {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(c.hooks.Hooks)) {
			h := c.hooks.Hooks[name]
			add := func(at config.Position, field, file string) {
				if why := p.readOnly(c, file); file != "" && why != "" {
					list = append(list, finding{problem: config.Problem{Pos: at, Field: "hooks." + name + field, Value: file, Msg: why + ": mount an emptyDir there"}})
				}
			}
			add(h.Pos, ".marker", h.Marker)
			for step, s := range h.Each {
				if a, ok := s.Action.(config.Write); ok {
					add(s.Pos, ", step "+step, a.File)
				}
			}
		}
	}
	return list
}

// readOnly returns why a file of the container cannot be written, or "".
func (p *pod) readOnly(c *container, file string) string {
	mount := c.mountAt(file)
	if mount == nil {
		s := c.SecurityContext
		if s == nil || !isTrue(s.ReadOnlyRootFilesystem) || writableAlways(file) {
			return ""
		}
		return "the container's root is read-only, and no volume is mounted there"
	}
	if mount.ReadOnly {
		return "the volume " + mount.Name + " is mounted read-only"
	}
	if v := p.volume(mount.Name); v != nil && (v.ConfigMap != nil || v.Secret != nil || v.Projected != nil || v.DownwardAPI != nil || v.Image != nil) {
		return "the volume " + mount.Name + " is read-only by its kind"
	}
	return ""
}

// writableAlways reports whether a file can be written with a read-only root
// (deploy/kubernetes/kubelet.md, inside a restricted container).
func writableAlways(file string) bool {
	return file == "/dev/termination-log" || file == "/dev/shm" || strings.HasPrefix(file, "/dev/shm/")
}

// stateShared finds containers that keep their state in the same directory.
func stateShared(p *pod) (list []finding) {
	first := map[string]string{}
	for _, c := range p.containers {
		if !c.hasHooks() || c.settings.StateDir == "" {
			continue
		}
		dir := string(c.settings.StateDir)
		mount := c.mountAt(dir)
		if mount == nil {
			continue // its own file system
		}
		place := mount.Name + " " + mount.SubPath + mount.SubPathExpr + strings.TrimPrefix(dir, strings.TrimSuffix(mount.MountPath, "/"))
		if other, taken := first[place]; taken {
			list = append(list, found(c.at("env", "PODHOOK_STATE_DIR"), dir,
				"is the directory of the container "+other+" too, in the volume "+mount.Name+": each container needs its own"))
			continue
		}
		first[place] = c.Name
	}
	return list
}
