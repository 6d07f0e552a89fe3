package main

import (
	"fmt"
	"maps"
	"net"
	"slices"

	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/hooks/config"
)

// atOwnPorts returns the steps that wait for the end of connections to podhook's own
// addresses. kubelet connects there until the end.
func (c *container) atOwnPorts(cfg *config.Config) (list []config.Problem) {
	for _, address := range []settings.Address{c.settings.Listen, c.settings.MetricsListen} {
		_, text, err := net.SplitHostPort(string(address))
		if err != nil {
			continue // none, or a Unix socket
		}
		port, err := config.ParsePort(text)
		if err != nil {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(cfg.Hooks)) {
			hook := cfg.Hooks[name]
			for name, step := range hook.Each {
				if wait, ok := step.Action.(config.Wait); ok && slices.Contains(wait.Ports(), port) {
					list = append(list, config.Problem{Pos: step.Pos, Field: fmt.Sprintf("hooks.%s, step %s, wait", hook.Name, name), Value: text,
						Msg: "is podhook's own port, where kubelet calls until the end; write the port of the application"})
				}
			}
		}
	}
	return list
}
