package podapi

import (
	"context"
	"net/http"
	"strings"
	"time"
)

const (
	eventAPI = "/apis/events.k8s.io/v1"
	// MaxNote is how many bytes the note of an Event may have. The API server refuses a
	// longer one (pkg/apis/core/validation/events.go).
	MaxNote = 1024
	// The same for reportingInstance and for a name.
	maxInstance, maxName = 128, 253
)

// Event is what happened to the Pod (k8s.io/api/events/v1).
type Event struct {
	ID     string // unique among those of the Pod: lower-case letters and digits
	Time   time.Time
	Action string // what podhook did, for programs
	Reason string
	Type   string // Normal or Warning
	Note   string // at most MaxNote bytes
	// PodUID is metadata.uid of the Pod. kubectl describe pod does not show an Event without.
	PodUID string
}

// object is JSON for the API server.
type object map[string]any

// micro returns a time in the form of metav1.MicroTime.
func micro(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

// nameOf returns the name of an Event, which begins with that of the Pod as kubelet's do.
func (c *Client) nameOf(e Event) string {
	room := maxName - len(".") - len(e.ID)
	return strings.TrimRight(c.Pod[:min(len(c.Pod), room)], "-.") + "." + e.ID
}

// Create sends a new Event. It succeeds too if an earlier try, which got no answer, has
// arrived. It fails when ctx ends. The error can be a *StatusError.
func (c *Client) Create(ctx context.Context, e Event) error {
	namespace, err := c.read("namespace")
	if err != nil {
		return err
	}
	err = c.call(ctx, call{method: http.MethodPost, api: eventAPI, resource: "events", contentType: "application/json", body: object{
		"apiVersion": "events.k8s.io/v1", "kind": "Event",
		"metadata":  object{"name": c.nameOf(e), "namespace": namespace},
		"eventTime": micro(e.Time), "action": e.Action, "reason": e.Reason, "type": e.Type, "note": e.Note,
		"reportingController": "podhook", "reportingInstance": c.Pod[:min(len(c.Pod), maxInstance)],
		"regarding": object{"apiVersion": "v1", "kind": "Pod", "name": c.Pod, "namespace": namespace, "uid": e.PodUID},
	}}, nil)
	if answers(err, http.StatusConflict) {
		return nil
	}
	return err
}

// Repeat says that an Event has happened count times, at least 2, the last time at last.
// found is false if the API server has forgotten it: Events live an hour, by default. Nothing
// else of an Event can be changed. The error can be a *StatusError.
func (c *Client) Repeat(ctx context.Context, e Event, count int, last time.Time) (found bool, err error) {
	err = c.call(ctx, call{method: http.MethodPatch, api: eventAPI, resource: "events/" + c.nameOf(e), contentType: "application/merge-patch+json",
		body: object{"series": object{"count": count, "lastObservedTime": micro(last)}}}, nil)
	if answers(err, http.StatusNotFound) {
		return false, nil
	}
	return true, err
}
