package agent

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"

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
		wait, force, err := options(req.URL.RawQuery)
		if err != nil {
			answer(w, http.StatusBadRequest, problem{err.Error()})
			return
		}
		if name == config.Shutdown {
			defer a.shutdownCalls.answer()
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

// options reads the query of a call. Other names than wait and force are ignored.
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
	return false, fmt.Errorf("%s: given %d times, once is allowed", name, len(values))
}
