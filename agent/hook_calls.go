package agent

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/agent/show"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// runAnswer is the body of an answer about a run. A person reads it in a log.
type runAnswer struct {
	Hook     string        `json:"hook"`
	Outcome  state.Outcome `json:"outcome"`
	Reason   string        `json:"reason,omitempty"`
	Run      string        `json:"run,omitempty"`
	Trigger  state.Trigger `json:"trigger,omitempty"`
	Seconds  float64       `json:"seconds"`
	Joined   bool          `json:"joined,omitempty"`
	Already  bool          `json:"already,omitempty"`
	Bypassed bool          `json:"bypassed,omitempty"`
}

// hook answers when the run has ended. The run is the agent's, not the
// request's: kubelet gives up after the grace period without cancelling, and
// calls again after its own restart (kubelet.md), so neither may stop the work.
// The call is counted under path; "" is for a hook that is not known.
func (a *Agent) hook(name, path string) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		setPath(req, path)
		wait, force, err := options(req.URL.RawQuery)
		if err != nil {
			answer(w, http.StatusBadRequest, problem{err.Error()})
			return
		}
		if name == config.Shutdown {
			defer a.asked.answer()
		}
		flight, joined, err := a.Runner.Start(name, hooks.Request{Trigger: state.TriggerHTTP, Force: force})
		if err == nil && !wait {
			answer(w, http.StatusAccepted, runAnswer{Hook: name, Outcome: state.Running, Joined: joined})
			return
		}
		var result hooks.Result
		if err == nil {
			result, err = flight.Wait(req.Context())
			if req.Context().Err() != nil {
				// The caller has gone, or closed its half of the connection: then it
				// would take what net/http sends for a handler that returns, 200.
				panic(http.ErrAbortHandler)
			}
		}
		verdict := hooks.Judge(result, err)
		if err != nil {
			answer(w, verdict.HTTPStatus, problem{cutBody(err.Error())})
			return
		}
		answer(w, verdict.HTTPStatus, newRunAnswer(result, joined))
	}
}

func newRunAnswer(result hooks.Result, joined bool) runAnswer {
	rec := result.Record
	return runAnswer{
		Hook: rec.Hook, Outcome: rec.Outcome, Reason: cutBody(rec.Reason), Run: rec.RunID, Trigger: rec.Trigger,
		Seconds: show.Seconds(rec), Joined: result.Joined || joined && !result.Already,
		Already: result.Already, Bypassed: result.Bypassed,
	}
}

// cutBody leaves room for JSON to write six bytes for one.
func cutBody(s string) string {
	const limit = maxBody / 7
	if len(s) > limit {
		return strings.ToValidUTF8(s[:limit], "") + "..."
	}
	return s
}

// options reads the query of a hook's call. Other names are left alone: a
// manifest may carry some of its own.
func options(rawQuery string) (wait, force bool, err error) {
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return false, false, fmt.Errorf("the query cannot be read: %w", err)
	}
	if wait, err = option(query, "wait", true); err != nil {
		return false, false, err
	}
	force, err = option(query, "force", false)
	return wait, force, err
}

func option(query url.Values, name string, unset bool) (bool, error) {
	values := query[name]
	switch len(values) {
	case 0:
		return unset, nil
	case 1:
		value, err := strconv.ParseBool(values[0])
		if err != nil {
			return false, fmt.Errorf("%s: %q: allowed are true and false", name, shorten(values[0]))
		}
		return value, nil
	}
	return false, fmt.Errorf("%s: is there %d times, once is allowed", name, len(values))
}

// kubeletFailure makes a failed call fail for kubelet too. kubelet ignores the
// status of a hook's answer (kubelet.md: answered 500 counts as success), and
// takes only a connection that is closed without an answer for a failure. A
// caller that is refused is never treated as kubelet.
func kubeletFailure(mode settings.FailureMode, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if mode == settings.Abort && strings.HasPrefix(req.UserAgent(), "kube-lifecycle/") {
			// Go's client, and so kubelet's, sends a request once more where a connection
			// that it has used before is closed without an answer: the failed hook would
			// be run twice.
			w.Header().Set("Connection", "close")
			w = &abortOnFailure{ResponseWriter: w}
		}
		next.ServeHTTP(w, req)
	})
}

type abortOnFailure struct{ http.ResponseWriter }

// WriteHeader ends the handler by http.ErrAbortHandler, which net/http answers by
// closing the connection without a log entry.
func (w *abortOnFailure) WriteHeader(status int) {
	if status >= 400 && status != http.StatusUnauthorized && status != http.StatusForbidden {
		panic(http.ErrAbortHandler)
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *abortOnFailure) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// send writes a whole answer within a bounded time; the run before it had its
// own, so the server's write timeout cannot be used.
func send(w http.ResponseWriter, status int, contentType string, body []byte) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(10 * time.Second)) // not every writer can
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a caller that has gone is no error of ours
}
