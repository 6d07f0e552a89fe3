package agent

import (
	"net/http"
	"strings"

	"github.com/podhook/podhook/agent/settings"
)

// kubeletFailure makes a failed call fail for kubelet too. kubelet ignores the status
// of an answer, and counts only a connection that is closed without an answer as a
// failure (deploy/kubernetes/kubelet.md). A caller that is refused gets its answer.
func kubeletFailure(mode settings.FailureMode, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if mode == settings.Abort && isKubelet(req) {
			// The client of Go, which kubelet uses, repeats a request if a connection that it
			// has used before is closed without an answer. The hook would run twice.
			w.Header().Set("Connection", "close")
			w = &abortOnFailure{ResponseWriter: w}
		}
		next.ServeHTTP(w, req)
	})
}

// isKubelet reports whether kubelet calls a hook.
func isKubelet(req *http.Request) bool {
	return strings.HasPrefix(req.UserAgent(), "kube-lifecycle/")
}

// callsOrProbes reports whether kubelet calls a hook or probes.
func callsOrProbes(req *http.Request) bool {
	return isKubelet(req) || strings.HasPrefix(req.UserAgent(), "kube-probe/")
}

// abortOnFailure closes the connection instead of answering a failure.
type abortOnFailure struct{ http.ResponseWriter }

// WriteHeader panics with http.ErrAbortHandler on a failure: net/http then closes the
// connection and logs nothing.
func (w *abortOnFailure) WriteHeader(status int) {
	if status >= 400 && status != http.StatusUnauthorized && status != http.StatusForbidden {
		panic(http.ErrAbortHandler)
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *abortOnFailure) Unwrap() http.ResponseWriter { return w.ResponseWriter }
