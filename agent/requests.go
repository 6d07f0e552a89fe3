package agent

import (
	"context"
	"net/http"
	"strconv"
	"sync"

	"github.com/go-chi/chi/v5"
)

// requestCounter counts requests by path and code. Paths are patterns of routes
// or paths of the configuration, so a caller cannot make series.
type requestCounter struct {
	mu     sync.Mutex
	counts map[requestKey]uint64
}

type requestKey struct{ path, code string }

// aborted is the code of a call that was closed without an answer: for kubelet to
// see a failure, or because the caller had gone.
const aborted = "aborted"

func (c *requestCounter) add(path, code string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = map[requestKey]uint64{}
	}
	c.counts[requestKey{path, code}]++
}

func (c *requestCounter) each(f func(requestKey, uint64)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, n := range c.counts {
		f(k, n)
	}
}

type pathKey struct{}

// setPath names the path that a request is counted under where its route does not.
func setPath(req *http.Request, path string) {
	if p, ok := req.Context().Value(pathKey{}).(*string); ok {
		*p = path
	}
}

// count counts a request when it has been answered, or aborted.
func (a *Agent) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		route := chi.NewRouteContext()
		named := ""
		ctx := context.WithValue(req.Context(), chi.RouteCtxKey, route)
		req = req.WithContext(context.WithValue(ctx, pathKey{}, &named))
		recorder := &codeRecorder{ResponseWriter: w, code: aborted}
		defer func() {
			if named == "" {
				named = route.RoutePattern()
			}
			if named == "" || named == "/*" {
				named = "other"
			}
			a.requests.add(named, recorder.code)
		}()
		next.ServeHTTP(recorder, req)
	})
}

type codeRecorder struct {
	http.ResponseWriter
	code string
}

func (r *codeRecorder) WriteHeader(status int) {
	r.code = strconv.Itoa(status)
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *codeRecorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
