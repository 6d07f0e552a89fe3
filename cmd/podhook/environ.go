package main

import (
	"slices"
	"strings"

	"github.com/podhook/podhook/agent/settings"
)

// childEnviron is the environment that CMD and the steps get: podhook's own, byte
// for byte and in its order, without what is meant for podhook alone.
func childEnviron(environ []string, s *settings.Settings) []string {
	if !s.KeepGomaxprocs {
		return environ
	}
	return slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		return strings.HasPrefix(entry, "GOMAXPROCS=")
	})
}
