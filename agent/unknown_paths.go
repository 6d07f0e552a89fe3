package agent

import (
	"log/slog"
	"net/http"
	"sync/atomic"

	"github.com/podhook/podhook/agent/show"
	"github.com/podhook/podhook/hooks/config"
)

// unknownPaths counts the requests of kubelet that nothing answers, and logs them: nobody
// else would notice a mistyped path of a preStop.
type unknownPaths struct {
	hooks, probes atomic.Uint64
	log           show.Rare
}

func (a *Agent) unknownPath(req *http.Request, cfg *config.Config) {
	if !callsOrProbes(req) {
		return
	}
	if isKubelet(req) {
		a.unknownPaths.hooks.Add(1)
	} else {
		a.unknownPaths.probes.Add(1)
	}
	args := []any{"caller", "kubelet", "path", shorten(req.URL.Path)}
	if hint := hint(req.URL.Path, cfg); hint != "" {
		args = append(args, "hint", hint)
	}
	a.unknownPaths.log.Log(a.Logger, slog.LevelWarn, show.UnknownPath, args...)
}

// each passes the callers that have asked in vain.
func (u *unknownPaths) each(f func(caller string, n uint64)) {
	if n := u.hooks.Load(); n > 0 {
		f("hook", n)
	}
	if n := u.probes.Load(); n > 0 {
		f("probe", n)
	}
}
