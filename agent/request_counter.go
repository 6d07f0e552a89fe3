package agent

import (
	"cmp"
	"context"
	"net/http"
	"runtime"
	"strconv"
	"sync"

	"github.com/podhook/podhook/agent/door"
)

// requestCounter counts requests by path and code. A path is that of a configured hook,
// or other, so that a caller cannot create series.
type requestCounter struct {
	mu     sync.Mutex
	counts map[requestKey]uint64
}

type requestKey struct{ path, code string }

// aborted is the code of a call whose connection was closed without an answer.
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

// pathKey is the key of a *string in the context of a request, for setPath.
type pathKey struct{}

// setPath sets the path that a request is counted under.
func setPath(req *http.Request, path string) {
	if p, ok := req.Context().Value(pathKey{}).(*string); ok {
		*p = path
	}
}

// count counts each request at its end. A request first lets all others that are ready
// run: a connection that pipelines requests would keep the processor for 10 ms at a time.
func (a *Agent) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		runtime.Gosched()
		defer door.Serve(req.Context())()
		path := ""
		recorder := &codeRecorder{ResponseWriter: w, code: aborted}
		defer func() { a.requests.add(cmp.Or(path, "other"), recorder.code) }()
		next.ServeHTTP(recorder, req.WithContext(context.WithValue(req.Context(), pathKey{}, &path)))
	})
}

// codeRecorder remembers the status of an answer.
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
