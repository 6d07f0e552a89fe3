package agent

import (
	"log/slog"
	"net/http"
	"sync"

	"github.com/podhook/podhook/agent/access"
	"github.com/podhook/podhook/agent/show"
)

// refusals counts refused requests and logs each kind of them at most once in 10 s. Its
// zero value is ready.
type refusals struct {
	mu    sync.Mutex
	kinds map[refusalKey]*refusalKind
}

type refusalKey struct {
	class  access.Class
	reason access.Reason
}

type refusalKind struct {
	count uint64
	log   show.Rare
}

func (r *refusals) add(key refusalKey) *show.Rare {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kinds == nil {
		r.kinds = map[refusalKey]*refusalKind{}
	}
	kind := r.kinds[key]
	if kind == nil {
		kind = &refusalKind{}
		r.kinds[key] = kind
	}
	kind.count++
	return &kind.log
}

func (r *refusals) each(f func(refusalKey, uint64)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, kind := range r.kinds {
		f(key, kind.count)
	}
}

// guard lets requests with a right in. A refused one costs nothing: its body is not read.
func (a *Agent) guard(right access.Right, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		if a.allows(w, req, right) {
			next(w, req)
		}
	}
}

// allows reports whether a request has a right. If not, it has answered.
func (a *Agent) allows(w http.ResponseWriter, req *http.Request, right access.Right) bool {
	refusal := a.Access.Check(req, right)
	if refusal == nil {
		return true
	}
	caller := req.RemoteAddr
	if callsOrProbes(req) {
		caller += ", as kubelet"
	}
	a.refusals.add(refusalKey{refusal.Class, refusal.Reason}).Log(a.Logger, slog.LevelWarn, show.Refused, "caller", caller,
		"path", shorten(req.URL.Path), "class", string(refusal.Class), "reason", string(refusal.Reason), "error", refusal.Text)
	if req.ContentLength != 0 {
		w.Header().Set("Connection", "close") // else net/http reads the body
	}
	if refusal.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	answer(w, refusal.Status, problem{refusal.Text})
	return false
}
