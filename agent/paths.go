package agent

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/podhook/podhook/hooks/config"
)

// notFound is the answer for a path that nothing is at.
type notFound struct {
	Error string   `json:"error"`
	Paths []string `json:"paths"`
}

// maxListed bounds the paths in an answer, so that it stays within maxBody.
const maxListed = 30

// readPaths lists the paths that only read.
func readPaths(*config.Config) []string {
	return []string{"/livez", "/healthz", "/readyz", "/status", "/metrics", "/hooks/NAME/output"}
}

// knownPaths lists the paths that the agent answers at.
func knownPaths(cfg *config.Config) []string {
	list := append(readPaths(cfg), "/"+config.Prestart, "/"+config.Shutdown)
	for _, name := range slices.Sorted(maps.Keys(cfg.Hooks)) {
		if name != config.Prestart && name != config.Shutdown {
			list = append(list, "/hooks/"+name)
		}
		list = append(list, cfg.Hooks[name].Paths...)
	}
	return list
}

// Answers reports whether the agent has something at a path. With acts it is the address of
// PODHOOK_LISTEN, without it that of PODHOOK_METRICS_LISTEN.
func Answers(path string, cfg *config.Config, acts bool) bool {
	if !acts {
		return slices.Contains(readPaths(cfg), path)
	}
	name, isHook := strings.CutPrefix(path, "/hooks/")
	return slices.Contains(knownPaths(cfg), path) || isHook && cfg.Hooks[name] != nil
}

// NearestPath returns the path that was probably meant, or "".
func NearestPath(given string, cfg *config.Config) string {
	if hook := config.MeantHook(strings.TrimPrefix(given, "/")); hook == config.Prestart || hook == config.Shutdown {
		return "/" + hook
	}
	return config.Nearest(given, knownPaths(cfg))
}

// hint says where a path was probably meant to lead, or "".
func hint(given string, cfg *config.Config) string {
	switch near := NearestPath(given, cfg); near {
	case "":
		return ""
	case given:
		return "hooks are called at the address of PODHOOK_LISTEN"
	default:
		return "did you mean " + shorten(near) + "?"
	}
}

// nothingAt answers for a path that nothing is at. There is something at those of list.
func nothingAt(w http.ResponseWriter, given string, list []string, hint string) {
	text := "there is nothing at " + shorten(given)
	if hint != "" {
		text += ", " + hint
	}
	for i, path := range list {
		list[i] = shorten(path)
	}
	if more := len(list) - maxListed; more > 0 {
		list = append(list[:maxListed], fmt.Sprintf("and %d more", more))
	}
	answer(w, http.StatusNotFound, notFound{text, list})
}

func readsOnly(method string) bool { return method == http.MethodGet || method == http.MethodHead }
