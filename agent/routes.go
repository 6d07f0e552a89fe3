package agent

import (
	"net/http"
	"slices"

	"github.com/go-chi/chi/v5"

	"github.com/podhook/podhook/hooks/config"
)

// Handler returns the handler of all routes.
func (a *Agent) Handler() http.Handler {
	r := chi.NewRouter()
	for _, name := range []string{config.Prestart, config.Shutdown} {
		r.Get("/"+name, a.hook(name, "/"+name))
		r.Post("/"+name, a.hook(name, "/"+name))
	}
	r.Get("/hooks/{name}", a.hookByName)
	r.Post("/hooks/{name}", a.hookByName)
	for path, handler := range map[string]http.HandlerFunc{
		"/livez": a.livez, "/healthz": a.livez, "/readyz": a.readyz, "/status": a.status,
		"/metrics": a.metrics(), "/hooks/{name}/output": a.output,
	} {
		r.Get(path, handler)
		r.Head(path, handler) // net/http leaves the body out
	}
	r.MethodNotAllowed(func(w http.ResponseWriter, req *http.Request) {
		switch { // chi also calls this for a method that it does not know
		case r.Match(chi.NewRouteContext(), http.MethodPost, req.URL.Path):
			methodNotAllowed(w, req, "GET, POST")
		case r.Match(chi.NewRouteContext(), http.MethodGet, req.URL.Path):
			methodNotAllowed(w, req, "GET, HEAD")
		default:
			a.extraPath(w, req)
		}
	})
	r.NotFound(a.extraPath)
	return a.count(kubeletFailure(a.Settings.KubeletFailure, bounded(r)))
}

func (a *Agent) hookByName(w http.ResponseWriter, req *http.Request) {
	name, path := chi.URLParam(req, "name"), ""
	if cfg, err := a.Configuration.Get(); err == nil && cfg.Hooks[name] != nil {
		path = "/hooks/" + name
	}
	a.hook(name, path)(w, req)
}

// extraPath answers for the paths of hooks, by the configuration in force.
func (a *Agent) extraPath(w http.ResponseWriter, req *http.Request) {
	cfg, err := a.Configuration.Get()
	if err != nil {
		answer(w, http.StatusInternalServerError, problem{err.Error()})
		return
	}
	for name, hook := range cfg.Hooks {
		if !slices.Contains(hook.Paths, req.URL.Path) {
			continue
		}
		if req.Method != http.MethodGet && req.Method != http.MethodPost {
			methodNotAllowed(w, req, "GET, POST")
			return
		}
		a.hook(name, req.URL.Path)(w, req)
		return
	}
	// kubelet asks for / where the path of an httpGet is forgotten: that is no success.
	if req.URL.Path == "/" && readsOnly(req.Method) && !callsOrProbes(req) {
		a.root(w, cfg)
		return
	}
	a.warnOfPath(req, cfg)
	nothingAt(w, req.URL.Path, cfg)
}
