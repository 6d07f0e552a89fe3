package prove

import (
	"bytes"
	stdjson "encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"sync"
	"testing"

	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"

	"github.com/podhook/podhook/agent/events"
	"github.com/podhook/podhook/agent/podapi"
	"github.com/podhook/podhook/agent/settings"
)

// cluster is an API server that takes Events as Kubernetes does, and what sends them.
type cluster struct {
	*events.Sender
	t      *testing.T
	client *podapi.Client
	logs   bytes.Buffer

	mu     sync.Mutex
	token  string
	stored []*eventsv1.Event
	asked  []string                                 // the methods
	fail   func(http.ResponseWriter, *http.Request) // answers instead, unless it is nil
}

func newCluster(t *testing.T, mode settings.Events) *cluster {
	t.Helper()
	c := &cluster{t: t, token: "a-token"}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /apis/events.k8s.io/v1/namespaces/shop/events", c.create)
	mux.HandleFunc("PATCH /apis/events.k8s.io/v1/namespaces/shop/events/{name}", c.patch)
	p := runningPod()
	c.client = clientOf(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		c.mu.Lock()
		c.asked = append(c.asked, req.Method)
		token, fail := c.token, c.fail
		c.mu.Unlock()
		switch {
		case req.Header.Get("Authorization") != "Bearer "+token:
			w.WriteHeader(http.StatusUnauthorized)
		case fail != nil:
			body, _ := io.ReadAll(req.Body) // only then the server notices that the client leaves
			req.Body = io.NopCloser(bytes.NewReader(body))
			fail(w, req)
		default:
			mux.ServeHTTP(w, req)
		}
	}), p)
	c.Sender = &events.Sender{
		Mode: mode, PodUID: string(p.UID), Logger: slog.New(slog.NewTextHandler(&c.logs, nil)),
		Client: func() (*podapi.Client, error) { return c.client, nil },
	}
	return c
}

func (c *cluster) create(w http.ResponseWriter, req *http.Request) {
	e, err := strictly(req)
	if err == nil {
		err = invalid(e)
	}
	if err != nil {
		c.t.Error(err)
		w.WriteHeader(http.StatusUnprocessableEntity)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.find(e.Name) != nil {
		w.WriteHeader(http.StatusConflict)
		return
	}
	c.stored = append(c.stored, e)
	w.WriteHeader(http.StatusCreated)
	_ = stdjson.NewEncoder(w).Encode(e)
}

// patch takes only series, because nothing else of an Event can be changed.
func (c *cluster) patch(w http.ResponseWriter, req *http.Request) {
	var change struct {
		Series *eventsv1.EventSeries `json:"series"`
	}
	decoder := stdjson.NewDecoder(req.Body)
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&change)
	if kind := req.Header.Get("Content-Type"); kind != "application/merge-patch+json" || err != nil ||
		change.Series == nil || change.Series.Count < 2 || change.Series.LastObservedTime.IsZero() {
		c.t.Errorf("a patch %s of %+v: %v", kind, change, err)
		w.WriteHeader(http.StatusUnprocessableEntity)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.find(req.PathValue("name"))
	if e == nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	e.Series = change.Series
	_ = stdjson.NewEncoder(w).Encode(e)
}

// find needs the lock.
func (c *cluster) find(name string) *eventsv1.Event {
	for _, e := range c.stored {
		if e.Name == name {
			return e
		}
	}
	return nil
}

func strictly(req *http.Request) (*eventsv1.Event, error) {
	text, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	scheme := runtime.NewScheme()
	if err := eventsv1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	object, _, err := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Strict: true}).Decode(text, nil, nil)
	if err != nil {
		return nil, err
	}
	e, ok := object.(*eventsv1.Event)
	if kind := req.Header.Get("Content-Type"); !ok || kind != "application/json" {
		return nil, fmt.Errorf("a %T as %s", object, kind)
	}
	return e, nil
}

var subdomain = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)

// invalid has the rules of pkg/apis/core/validation/events.go.
func invalid(e *eventsv1.Event) error {
	for what, broken := range map[string]bool{
		"name":                !subdomain.MatchString(e.Name) || len(e.Name) > 253,
		"namespace":           e.Namespace != "shop" || e.Regarding.Namespace != "shop",
		"eventTime":           e.EventTime.IsZero(),
		"series":              e.Series != nil,
		"reportingController": e.ReportingController != "podhook",
		"reportingInstance":   e.ReportingInstance == "" || len(e.ReportingInstance) > 128,
		"action":              e.Action == "" || len(e.Action) > 128,
		"reason":              e.Reason == "" || len(e.Reason) > 128,
		"note":                len(e.Note) > 1024,
		"type":                e.Type != "Normal" && e.Type != "Warning",
		"deprecated fields":   e.DeprecatedCount != 0 || !e.DeprecatedFirstTimestamp.IsZero() || !e.DeprecatedLastTimestamp.IsZero() || e.DeprecatedSource.Component != "",
	} {
		if broken {
			return fmt.Errorf("%s of %+v", what, e)
		}
	}
	return nil
}
