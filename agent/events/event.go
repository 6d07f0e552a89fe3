package events

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/podhook/podhook/agent/podapi"
	"github.com/podhook/podhook/agent/show"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/state"
)

// The reasons of Events. A run that was interrupted has failed: it has not done its work.
const (
	ReasonFailed    = "PodhookHookFailed"
	ReasonTimedOut  = "PodhookHookTimedOut"
	ReasonSucceeded = "PodhookHookSucceeded"
)

// maxCause leaves the last lines of output at least half of the note, in bytes.
const maxCause = podapi.MaxNote / 2

// eventOf returns the Event of a run that has ended. Its note is what an exec'd hook prints.
func eventOf(rec state.Record, podUID string) podapi.Event {
	e := podapi.Event{
		// A run that could not begin has no ID.
		ID:   cmp.Or(rec.RunID, strconv.FormatInt(rec.Start.UnixNano(), 16)),
		Time: rec.Start, Action: rec.Hook, Reason: ReasonFailed, Type: "Warning", PodUID: podUID,
	}
	if rec.End != nil {
		e.Time = *rec.End
	}
	switch rec.Outcome {
	case state.Succeeded:
		e.Reason, e.Type = ReasonSucceeded, "Normal"
	case state.TimedOut:
		e.Reason = ReasonTimedOut
	}
	rec.Reason = show.Cut(rec.Reason, maxCause)
	e.Note = strings.TrimSpace(show.Summary(hooks.Result{Record: rec}, podapi.MaxNote))
	return e
}
