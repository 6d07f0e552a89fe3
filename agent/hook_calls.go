package agent

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/podhook/podhook/agent/access"
	"github.com/podhook/podhook/agent/door"
	"github.com/podhook/podhook/agent/show"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// runAnswer is the body of an answer about a run.
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

// hook answers when the run has ended. The end of the request does not end the run:
// kubelet leaves after the grace period, and calls again after its own restart
// (deploy/kubernetes/kubelet.md). The call is counted under path, or under other if
// path is "".
func (a *Agent) hook(name, path string) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		setPath(req, path)
		if !a.allows(w, req, access.Hook) {
			return
		}
		wait, force, err := options(req.URL.RawQuery)
		if err != nil {
			answer(w, http.StatusBadRequest, problem{err.Error()})
			return
		}
		if force && !a.allows(w, req, access.Force) || !discardBody(w, req) {
			return
		}
		mayRead := a.Access.Check(req, access.Output) == nil
		forget(req)
		if wait {
			done, ok := door.Wait(req.Context())
			if !ok {
				w.Header().Set("Retry-After", "1")
				answer(w, http.StatusServiceUnavailable, problem{"too many calls wait for hooks: use wait=false, or call again later"})
				return
			}
			defer done()
		}
		if name == config.Shutdown {
			defer a.shutdownCalls.answer()
		}
		flight, joined, err := a.Runner.Start(name, hooks.Request{Trigger: state.TriggerHTTP, Force: force})
		var result hooks.Result
		if err == nil && !wait {
			result, err = progress(req.Context(), name, flight)
		} else if err == nil {
			result, err = flight.Wait(req.Context())
			if req.Context().Err() != nil {
				// A caller that has closed only its half of the connection must not get
				// the 200 that net/http sends for a handler that returns.
				panic(http.ErrAbortHandler)
			}
		}
		verdict := hooks.Judge(result, err)
		if err != nil {
			answer(w, verdict.HTTPStatus, problem{cutBody(err.Error())})
			return
		}
		status := verdict.HTTPStatus
		if !wait && !result.Already && !result.Bypassed {
			status = http.StatusAccepted // whatever the run has come to since
		}
		body := newRunAnswer(result, joined)
		if !mayRead {
			body.Reason = unquoted(body.Reason)
		}
		answer(w, status, body)
	}
}

// forget drops what came with a request, which net/http keeps until the answer: many
// callers that wait for a hook would hold as much as they like.
func forget(req *http.Request) {
	clear(req.Header)
	req.RequestURI, req.URL.RawQuery = "", ""
}

// progressTime bounds how long an answer with wait=false waits for the id of its run. A
// call that waits for the end of an earlier run has none yet.
const progressTime = 500 * time.Millisecond

// progress returns what a call does now.
func progress(ctx context.Context, name string, flight *hooks.Flight) (hooks.Result, error) {
	short, cancel := context.WithTimeout(ctx, progressTime)
	defer cancel()
	result, err := flight.Progress(short)
	if err != nil && short.Err() != nil && ctx.Err() == nil {
		return hooks.Result{Record: state.Record{Hook: name, Outcome: state.Running}}, nil
	}
	return result, err
}

func newRunAnswer(result hooks.Result, joined bool) runAnswer {
	rec := result.Record
	return runAnswer{
		Hook: rec.Hook, Outcome: rec.Outcome, Reason: cutBody(rec.Reason), Run: rec.RunID, Trigger: rec.Trigger,
		Seconds: show.Seconds(rec), Joined: result.Joined || joined && !result.Already,
		Already: result.Already, Bypassed: result.Bypassed,
	}
}

// options reads the query of a call. Other names than wait and force are ignored, except
// one that is probably a mistyped wait or force.
func options(rawQuery string) (wait, force bool, err error) {
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return false, false, fmt.Errorf("the query cannot be read: %w", err)
	}
	for given := range query {
		near := config.Nearest(given, []string{"wait", "force"})
		// A wrong guess would refuse a hook: source is not a mistyped force.
		if near != "" && near != given && strings.EqualFold(near[:1], given[:1]) {
			return false, false, fmt.Errorf("%q: no such parameter, did you mean %q?", given, near)
		}
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
	return false, fmt.Errorf("%s: given %d times, once is allowed", name, len(values))
}
