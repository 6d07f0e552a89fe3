package agent

import (
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/podhook/podhook/agent/show"
	"github.com/podhook/podhook/hooks/config"
)

// notFound is the answer for a path that nothing is at.
type notFound struct {
	Error string   `json:"error"`
	Paths []string `json:"paths"`
}

// maxListed bounds the paths in an answer, so that it stays within maxBody.
const maxListed = 30

// knownPaths lists the paths that the agent answers at.
func knownPaths(cfg *config.Config) []string {
	list := []string{"/livez", "/healthz", "/readyz", "/status", "/metrics", "/" + config.Prestart, "/" + config.Shutdown, "/hooks/NAME/output"}
	for _, name := range slices.Sorted(maps.Keys(cfg.Hooks)) {
		if name != config.Prestart && name != config.Shutdown {
			list = append(list, "/hooks/"+name)
		}
		list = append(list, cfg.Hooks[name].Paths...)
	}
	return list
}

// NearestPath returns the path that was probably meant, or "".
func NearestPath(given string, cfg *config.Config) string {
	if hook := config.MeantHook(strings.TrimPrefix(given, "/")); hook == config.Prestart || hook == config.Shutdown {
		return "/" + hook
	}
	return config.Nearest(given, knownPaths(cfg))
}

// nothingAt answers for a path that nothing is at.
func nothingAt(w http.ResponseWriter, given string, cfg *config.Config) {
	text := "there is nothing at " + shorten(given)
	if near := NearestPath(given, cfg); near != "" {
		text += ", did you mean " + shorten(near) + "?"
	}
	list := knownPaths(cfg)
	for i, path := range list {
		list[i] = shorten(path)
	}
	if more := len(list) - maxListed; more > 0 {
		list = append(list[:maxListed], fmt.Sprintf("and %d more", more))
	}
	answer(w, http.StatusNotFound, notFound{text, list})
}

// warnOfPath logs a path that kubelet asks for in vain: nobody else would notice a
// mistyped path of a preStop.
func (a *Agent) warnOfPath(req *http.Request, cfg *config.Config) {
	if !callsOrProbes(req) {
		return
	}
	args := []any{"caller", "kubelet", "path", shorten(req.URL.Path)}
	if near := NearestPath(req.URL.Path, cfg); near != "" {
		args = append(args, "nearest", near)
	}
	a.unknownPaths.Log(a.Logger, slog.LevelWarn, show.UnknownPath, args...)
}

// root names what is there, for people.
func (a *Agent) root(w http.ResponseWriter, cfg *config.Config) {
	text := "podhook " + a.Version + "\n\n" + strings.Join(knownPaths(cfg), "\n") + "\n"
	send(w, http.StatusOK, "text/plain; charset=utf-8", []byte(text))
}

func readsOnly(method string) bool { return method == http.MethodGet || method == http.MethodHead }
