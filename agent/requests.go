package agent

import (
	"cmp"
	"context"
	"net/http"
	"strconv"
	"sync"
)

// requestCounter counts requests by path and code. Paths are those of hooks that are
// configured, and other for all the rest, so a caller cannot make series.
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

// pathKey finds the place for the path in a request's context.
type pathKey struct{}

// setPath names the hook's path that a request is counted under.
func setPath(req *http.Request, path string) {
	if p, ok := req.Context().Value(pathKey{}).(*string); ok {
		*p = path
	}
}

// count counts a request when it has been answered, or aborted.
func (a *Agent) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		path := ""
		recorder := &codeRecorder{ResponseWriter: w, code: aborted}
		defer func() { a.requests.add(cmp.Or(path, "other"), recorder.code) }()
		next.ServeHTTP(recorder, req.WithContext(context.WithValue(req.Context(), pathKey{}, &path)))
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
