package agent

import (
	"net/http"
	"slices"

	"github.com/go-chi/chi/v5"

	"github.com/podhook/podhook/agent/access"
	"github.com/podhook/podhook/hooks/config"
)

// route is a path that only reads.
type route struct {
	path    string
	right   access.Right
	handler http.HandlerFunc
}

func (a *Agent) routes() []route {
	return []route{
		{"/livez", access.Probe, a.livez},
		{"/healthz", access.Probe, a.livez},
		{"/readyz", access.Probe, a.readyz},
		{"/metrics", access.Metrics, a.metrics},
		{"/status", access.Status, a.status},
		{"/hooks/{name}/output", access.Output, a.output},
	}
}

// Handler returns the handler of all routes.
func (a *Agent) Handler() http.Handler {
	r := newRouter(a.extraPath)
	for _, name := range []string{config.Prestart, config.Shutdown} {
		r.Get("/"+name, a.hook(name, "/"+name))
		r.Post("/"+name, a.hook(name, "/"+name))
	}
	r.Get("/hooks/{name}", a.hookByName)
	r.Post("/hooks/{name}", a.hookByName)
	return a.finish(r)
}

// MetricsHandler returns the handler of probes, metrics and status: nothing acts there.
func (a *Agent) MetricsHandler() http.Handler {
	return a.finish(newRouter(a.nothing(readPaths)))
}

// newRouter returns a router without routes, and what answers for all other paths. To set
// that later would make chi copy all routes.
func newRouter(other http.HandlerFunc) chi.Router {
	r := chi.NewRouter()
	r.MethodNotAllowed(func(w http.ResponseWriter, req *http.Request) {
		switch { // chi also calls this for a method that it does not know
		case r.Match(chi.NewRouteContext(), http.MethodPost, req.URL.Path):
			methodNotAllowed(w, req, "GET, POST")
		case r.Match(chi.NewRouteContext(), http.MethodGet, req.URL.Path):
			methodNotAllowed(w, req, "GET, HEAD")
		default:
			other(w, req)
		}
	})
	r.NotFound(other)
	return r
}

// finish adds the routes that only read.
func (a *Agent) finish(r chi.Router) http.Handler {
	for _, route := range a.routes() {
		r.Get(route.path, a.guard(route.right, route.handler))
		r.Head(route.path, a.guard(route.right, route.handler)) // net/http leaves the body out
	}
	return a.count(kubeletFailure(a.Settings.KubeletFailure, r))
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
	a.nothing(knownPaths)(w, req)
}

// nothing answers for a path that nothing is at, and for /. The other paths are those of
// list.
func (a *Agent) nothing(list func(*config.Config) []string) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		cfg, err := a.Configuration.Get()
		if err != nil {
			answer(w, http.StatusInternalServerError, problem{err.Error()})
			return
		}
		paths := list(cfg)
		// kubelet asks for / where the path of an httpGet is forgotten: that is no success.
		if req.URL.Path == "/" && readsOnly(req.Method) && !callsOrProbes(req) {
			a.guard(access.Status, func(w http.ResponseWriter, req *http.Request) { a.root(w, req, paths) })(w, req)
			return
		}
		a.unknownPath(req, cfg)
		nothingAt(w, req.URL.Path, paths, hint(req.URL.Path, cfg))
	}
}
