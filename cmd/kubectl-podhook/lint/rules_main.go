package lint

import (
	"fmt"

	"github.com/podhook/podhook/hooks/config"
)

// mainMissing finds steps that need the main process where none is known.
func mainMissing(p *pod) (list []finding) {
	for _, c := range p.containers {
		if c.hooks == nil || c.mayRun() || c.settings.Main != "" || !c.knows("PODHOOK_MAIN") {
			continue
		}
		for _, problem := range c.hooks.NeedMain() {
			list = append(list, finding{problem: problem})
		}
	}
	return list
}

// mainUnseen finds sidecars that cannot see the main process.
func mainUnseen(p *pod) (list []finding) {
	for _, c := range p.containers {
		if !c.isSidecar() || c.mayRun() || p.sharesProcesses() || c.settings == nil || c.settings.Main == "" {
			continue
		}
		msg := "a sidecar sees no process of another container: set shareProcessNamespace: true in the pod's spec"
		if c.hooks == nil || len(c.hooks.NeedMain()) == 0 {
			msg += ", or leave PODHOOK_MAIN out, which no step needs"
		}
		list = append(list, found(c.at("env", "PODHOOK_MAIN"), c.settings.Main, msg))
	}
	return list
}

// mainUser finds sidecars that may not signal the main process (kill(2)).
func mainUser(p *pod) (list []finding) {
	for _, c := range p.containers {
		if !c.isSidecar() || !p.sharesProcesses() || c.hooks == nil || c.settings.Main == "" || !signals(c.hooks) {
			continue
		}
		own, known := p.user(c)
		if !known || c.may("KILL", own) {
			continue
		}
		for _, other := range p.containers {
			if uid, known := p.user(other); known && uid != own && !other.isInit() {
				list = append(list, found(c.at("securityContext", "runAsUser"), fmt.Sprint(own), fmt.Sprintf(
					"may not signal the container %s, which runs as user %d: write the same user for both", other.Name, uid)))
			}
		}
	}
	return list
}

// may reports whether the container's processes have a capability. Other users than root get
// none.
func (c *container) may(capability string, uid int64) bool {
	if uid != 0 {
		return false
	}
	s := c.SecurityContext
	if s == nil || s.Capabilities == nil {
		return true
	}
	for _, added := range s.Capabilities.Add {
		if string(added) == capability || added == "ALL" {
			return true
		}
	}
	for _, dropped := range s.Capabilities.Drop {
		if string(dropped) == capability || dropped == "ALL" {
			return false
		}
	}
	return true
}

// signals reports whether a hook signals the main process.
func signals(cfg *config.Config) bool {
	for _, h := range cfg.Hooks {
		for _, s := range h.Each {
			if a, ok := s.Action.(config.Signal); ok && a.NeedsMain() {
				return true
			}
		}
	}
	return false
}
