// Package events tells the API server of runs, as Events of podhook's Pod.
package events

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/podhook/podhook/agent/podapi"
	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/agent/show"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/state"
)

const (
	// Timeout is the most time for one Event, and for the last ones at the end. podhook run
	// waits 2 s for the end of exec'd hooks.
	Timeout = 1500 * time.Millisecond
	// quiet is the shortest time between two requests about the same outcome of a hook. Runs
	// that end meanwhile are counted.
	quiet = 10 * time.Second
	// giveUp is how long Flush waits for requests that it has cancelled.
	giveUp = 100 * time.Millisecond
)

var (
	errSlow = errors.New("no answer within " + Timeout.String())
	errEnds = errors.New("no answer before podhook ends")
)

// Sender is a hooks.Observer that sends Events in the background. Its exported fields are not
// changed once it is used; then it may be used from any goroutine. A nil Sender sends nothing.
type Sender struct {
	Mode   settings.Events // not ""
	Client func() (*podapi.Client, error)
	PodUID string
	Logger *slog.Logger

	mu     sync.Mutex
	series map[string]*series // by hook and outcome
	queue  []*series
	idle   chan struct{} // closed when the queue has been sent; nil while nothing is sent
	cancel context.CancelCauseFunc
	ending bool // nothing is held back any more

	sent, failed uint64
	trouble      show.Rare
}

// series is an Event with its repeats.
type series struct {
	event  podapi.Event
	cause  string
	count  int // how often it has happened
	told   int // as the API server knows it
	last   time.Time
	asked  time.Time   // when the last request was begun
	queued bool        // in the queue, or held back
	timer  *time.Timer // nil unless it is held back
}

// Began does nothing.
func (s *Sender) Began(state.Record) {}

// Line does nothing. The record holds the last lines.
func (s *Sender) Line(hooks.Line) {}

// StepEnded does nothing. The record of the run holds the steps.
func (s *Sender) StepEnded(string, string, state.StepRecord) {}

// Ended sends an Event, or counts a repeat: the same cause again, or any within quiet.
func (s *Sender) Ended(rec state.Record) {
	if rec.Outcome == state.Succeeded && (s.Mode != settings.AllEvents || len(rec.Steps) == 0) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.series == nil {
		s.series = map[string]*series{}
	}
	key := rec.Hook + " " + string(rec.Outcome)
	x := s.series[key]
	if x == nil || x.cause != rec.Reason && time.Since(x.asked) >= quiet && !x.queued {
		x = &series{event: eventOf(rec, s.PodUID), cause: rec.Reason}
		s.series[key] = x
	}
	x.count++
	x.last = time.Now()
	s.schedule(x)
}

// schedule sends a series now, or holds it back. The caller holds the lock.
func (s *Sender) schedule(x *series) {
	if x.queued {
		return
	}
	x.queued = true
	if wait := quiet - time.Since(x.asked); wait > 0 && !s.ending {
		x.timer = time.AfterFunc(wait, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.release(x)
		})
		return
	}
	s.push(x)
}

// release sends a series that was held back. The caller holds the lock.
func (s *Sender) release(x *series) {
	if x.timer != nil {
		x.timer.Stop()
		x.timer = nil
		s.push(x)
	}
}

func (s *Sender) push(x *series) {
	s.queue = append(s.queue, x)
	if s.idle == nil {
		s.idle = make(chan struct{})
		var ctx context.Context
		ctx, s.cancel = context.WithCancelCause(context.Background())
		go s.work(ctx)
	}
}

// work sends the queue.
func (s *Sender) work(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue) > 0 {
		x := s.queue[0]
		s.queue = s.queue[1:]
		x.queued, x.asked = false, time.Now()
		now := *x
		s.mu.Unlock()
		err := s.send(ctx, &now)
		s.mu.Lock()
		if err != nil {
			s.failed++
			s.trouble.Log(s.Logger, slog.LevelWarn, "Event not sent", "event", now.event.Reason, "hook", now.event.Action, "error", err.Error())
			continue
		}
		s.sent++
		x.told = now.told
		if x.count > x.told {
			s.schedule(x)
		}
	}
	s.cancel(nil)
	close(s.idle)
	s.idle = nil
}

// send makes one request, or two where the API server has forgotten the Event.
func (s *Sender) send(ctx context.Context, x *series) error {
	ctx, cancel := context.WithTimeoutCause(ctx, Timeout, errSlow)
	defer cancel()
	client, err := s.Client()
	if err != nil {
		return err
	}
	if x.told > 0 {
		found, err := client.Repeat(ctx, x.event, x.count, x.last)
		if found || err != nil {
			x.told = x.count
			return err
		}
	}
	x.told = 1
	return client.Create(ctx, x.event)
}

// Flush waits until everything is sent, at most Timeout and until ctx ends. What is not sent
// then is given up.
func (s *Sender) Flush(ctx context.Context) {
	if s == nil {
		return
	}
	s.mu.Lock()
	s.ending = true
	for _, x := range s.series {
		s.release(x)
	}
	idle, cancel := s.idle, s.cancel
	s.mu.Unlock()
	if idle == nil {
		return
	}
	ctx, stop := context.WithTimeoutCause(ctx, Timeout, errSlow)
	defer stop()
	select {
	case <-idle:
		return
	case <-ctx.Done():
		cause := errEnds
		if context.Cause(ctx) == errSlow {
			cause = errSlow
		}
		cancel(cause)
	}
	select { // so that the log says what is lost
	case <-idle:
	case <-time.After(giveUp):
	}
}

// Counts returns how many requests have succeeded and failed.
func (s *Sender) Counts() (sent, failed uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent, s.failed
}
