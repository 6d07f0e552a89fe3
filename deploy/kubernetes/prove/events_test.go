package prove

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	eventsv1 "k8s.io/api/events/v1"

	"github.com/podhook/podhook/agent/events"
	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/internal/testutil"
)

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
