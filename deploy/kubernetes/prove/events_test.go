package prove

import (
	"bytes"
	stdjson "encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"

	"github.com/podhook/podhook/agent/events"
	"github.com/podhook/podhook/agent/podapi"
	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/internal/testutil"
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

// ran is the record of a run of prestart.
func ran(outcome state.Outcome, reason string, tail ...string) state.Record {
	end := now
	return state.Record{
		RunID: fmt.Sprintf("%016x", time.Now().UnixNano()), Hook: "prestart", Start: now.Add(-time.Second), End: &end, Outcome: outcome, Reason: reason,
		Steps: []state.StepRecord{{Name: "migrate", Outcome: outcome, Tail: tail}},
	}
}

const code3 = "step migrate: exited with code 3"

// flushed waits for everything, and returns the Events.
func (c *cluster) flushed() []*eventsv1.Event {
	c.t.Helper()
	c.Flush(c.t.Context())
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.stored)
}

func (c *cluster) counted(sent, failed uint64) {
	c.t.Helper()
	if s, f := c.Counts(); s != sent || f != failed {
		c.t.Errorf("%d sent and %d failed, want %d and %d; log: %s", s, f, sent, failed, c.logs.String())
	}
}

// Kubernetes takes the Event of each outcome.
func TestEventOfARun(t *testing.T) {
	for _, k := range []struct {
		outcome           state.Outcome
		reason, kind, say string
	}{
		{state.Failed, events.ReasonFailed, "Warning", "podhook: hook prestart failed ("},
		{state.TimedOut, events.ReasonTimedOut, "Warning", "podhook: hook prestart timed out ("},
		{state.Interrupted, events.ReasonFailed, "Warning", "podhook: hook prestart interrupted ("},
		{state.Succeeded, events.ReasonSucceeded, "Normal", "podhook: hook prestart succeeded ("},
	} {
		t.Run(string(k.outcome), func(t *testing.T) {
			c := newCluster(t, settings.AllEvents)
			c.Ended(ran(k.outcome, code3, "no table", "giving up"))
			all := c.flushed()
			if len(all) != 1 {
				t.Fatalf("%d Events; log: %s", len(all), c.logs.String())
			}
			e := all[0]
			if e.Reason != k.reason || e.Type != k.kind || e.Action != "prestart" || !strings.HasPrefix(e.Note, k.say) || !e.EventTime.Time.Equal(now) {
				t.Errorf("%+v", e)
			}
			if r := e.Regarding; r.Kind != "Pod" || r.APIVersion != "v1" || r.Name != "web-0" || r.UID != "1" {
				t.Errorf("it is about %+v", r)
			}
			if ends := strings.HasSuffix(e.Note, code3+"\nno table\ngiving up"); ends != (k.outcome != state.Succeeded) {
				t.Errorf("the note is %q", e.Note)
			}
			c.counted(1, 0)
		})
	}
}

// The mode failures, and a hook without steps, leave successes out.
func TestEventsLeftOut(t *testing.T) {
	c := newCluster(t, settings.FailureEvents)
	c.Ended(ran(state.Succeeded, ""))
	c.Mode = settings.AllEvents
	empty := ran(state.Succeeded, "")
	empty.Steps = nil
	c.Ended(empty)
	if all := c.flushed(); len(all) != 0 || len(c.asked) != 0 {
		t.Errorf("%+v, asked %q", all, c.asked)
	}
}

// However long the name, the reason and the output are, the Event is valid, and has the end of
// the output.
func TestEventIsBounded(t *testing.T) {
	c := newCluster(t, settings.FailureEvents)
	c.client.Pod = strings.Repeat("a", 235) + "-" + strings.Repeat("b", 17)
	c.Ended(ran(state.Failed, "step migrate: "+strings.Repeat("é\xff", 2000), strings.Repeat("é", 2000)+" the end"))
	all := c.flushed()
	if len(all) != 1 || !strings.HasSuffix(all[0].Note, "é the end") || len(all[0].Note) < 1000 || all[0].Regarding.Name != c.client.Pod {
		t.Errorf("%+v; log: %s", all, c.logs.String())
	}
}

// A run that could not begin has an Event too.
func TestEventOfARunWithoutID(t *testing.T) {
	c := newCluster(t, settings.FailureEvents)
	rec := ran(state.Failed, "the state is read-only")
	rec.RunID, rec.Steps = "", nil
	c.Ended(rec)
	if all := c.flushed(); len(all) != 1 || !strings.HasSuffix(all[0].Note, "read-only") {
		t.Errorf("%+v; log: %s", all, c.logs.String())
	}
}

// Repeats are counted in one Event. Another outcome is another Event.
func TestEventSeries(t *testing.T) {
	c := newCluster(t, settings.AllEvents)
	for range 5 {
		c.Ended(ran(state.Failed, code3))
	}
	c.Ended(ran(state.Succeeded, ""))
	all := c.flushed()
	if len(all) != 2 || all[0].Series == nil || all[0].Series.Count != 5 || all[0].Series.LastObservedTime.Time.Before(now) || all[1].Series != nil {
		t.Errorf("%+v; log: %s", all, c.logs.String())
	}
	c.counted(3, 0)
}

// An Event that Kubernetes has forgotten is created again.
func TestEventSeriesThatIsForgotten(t *testing.T) {
	c := newCluster(t, settings.FailureEvents)
	c.Ended(ran(state.Failed, code3))
	c.flushed()
	c.mu.Lock()
	c.stored = nil
	c.mu.Unlock()
	c.Ended(ran(state.Failed, code3))
	if all := c.flushed(); len(all) != 1 || all[0].Series == nil || all[0].Series.Count != 2 {
		t.Errorf("%+v; log: %s", all, c.logs.String())
	}
}

// An Event that was taken without an answer is not sent twice.
func TestEventThatWasTakenWithoutAnAnswer(t *testing.T) {
	c := newCluster(t, settings.FailureEvents)
	c.fail = func(w http.ResponseWriter, req *http.Request) {
		e, err := strictly(req)
		if err != nil {
			t.Error(err)
		}
		c.mu.Lock()
		c.stored, c.fail = append(c.stored, e), nil
		c.mu.Unlock()
		panic(http.ErrAbortHandler)
	}
	c.Ended(ran(state.Failed, code3))
	c.flushed()
	c.Ended(ran(state.Failed, code3))
	if all := c.flushed(); len(all) != 1 || all[0].Series == nil || all[0].Series.Count != 2 {
		t.Errorf("%+v; log: %s", all, c.logs.String())
	}
	c.counted(2, 1)
}

// kubelet renews the token and the CA, and each Event uses the newest ones.
func TestEventAfterARotation(t *testing.T) {
	c := newCluster(t, settings.FailureEvents)
	send := func(outcome state.Outcome) {
		t.Helper()
		c.Ended(ran(outcome, code3))
		c.flushed()
	}
	send(state.Failed)
	c.counted(1, 0)
	c.mu.Lock()
	c.token = "another-token"
	c.mu.Unlock()
	send(state.TimedOut)
	c.counted(1, 1)
	give(t, c.client, "token", "another-token\n")
	send(state.TimedOut)
	c.counted(3, 1) // and the repeat
	ca, err := os.ReadFile(filepath.Join(c.client.Dir, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	another, _ := testutil.ClientCertificate(t, "another")
	give(t, c.client, "ca.crt", string(another))
	send(state.Interrupted)
	c.counted(3, 2)
	give(t, c.client, "ca.crt", string(ca))
	send(state.Interrupted)
	if all := c.flushed(); len(all) != 3 {
		t.Errorf("%+v; log: %s", all, c.logs.String())
	}
}

// An API server that refuses, breaks, hangs or is gone costs one line of the log, and no more
// than Timeout.
func TestEventIsNotSent(t *testing.T) {
	for name, k := range map[string]struct {
		fail  func(http.ResponseWriter, *http.Request)
		gone  bool
		least time.Duration
		why   string
	}{
		"forbidden": {fail: answersWith(403, `{"message": "events.events.k8s.io is forbidden"}`), why: "is forbidden: its ServiceAccount needs the Role"},
		"broken":    {fail: answersWith(500, "<html>"), why: "500: Internal Server Error"},
		"hangs":     {fail: func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() }, least: events.Timeout, why: "no answer within 1.5s"},
		"drips": {fail: func(w http.ResponseWriter, req *http.Request) {
			for req.Context().Err() == nil {
				_, _ = io.WriteString(w, " ")
				_ = http.NewResponseController(w).Flush()
				time.Sleep(10 * time.Millisecond)
			}
		}, least: events.Timeout, why: "no answer within 1.5s"},
		"gone": {gone: true, why: "connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, settings.FailureEvents)
			c.fail = k.fail
			if k.gone {
				c.client.Server = "https://127.0.0.1:1"
			}
			began := time.Now()
			c.Ended(ran(state.Failed, code3, "the output"))
			if took := time.Since(began); took > events.Timeout/2 {
				t.Errorf("the run was held up for %v", took)
			}
			if all := c.flushed(); len(all) != 0 {
				t.Errorf("%+v", all)
			}
			testutil.Within(t, time.Since(began), k.least, k.least+10*time.Second)
			c.counted(0, 1)
			text := c.logs.String()
			if strings.Count(text, "\n") != 1 || !strings.Contains(text, k.why) || strings.Contains(text, "a-token") {
				t.Errorf("log: %s", text)
			}
		})
	}
}

func answersWith(code int, text string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, text)
	}
}
