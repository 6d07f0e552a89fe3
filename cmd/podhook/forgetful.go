package main

import (
	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/config"
)

// forgetful warns of steps that ask how the start before has ended, where the state is in
// the container's own file system, which Kubernetes makes anew at each restart.
func (c *container) forgetful(cfg *config.Config) (list []config.Problem) {
	var root, state unix.Stat_t
	if c.store == nil || unix.Stat("/", &root) != nil || unix.Stat(c.store.Dir(), &state) != nil || root.Dev != state.Dev {
		return nil
	}
	for _, s := range cfg.Hooks[config.Prestart].Steps {
		if s.When.Unclean {
			list = append(list, config.Problem{Pos: s.Pos, Field: "hooks.prestart, step " + s.Name + ", when.unclean",
				Msg: "the state in " + c.store.Dir() + " does not outlive a restart in Kubernetes: mount an emptyDir and set PODHOOK_STATE_DIR to it"})
		}
	}
	return list
}
