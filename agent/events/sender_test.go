package events

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/podhook/podhook/agent/podapi"
	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/hooks/state"
)

// gone is a Sender without an API server, and when it has asked for one. The form of Events and
// the requests are tested in deploy/kubernetes/prove.
type gone struct {
	Sender
	began time.Time
	asked []time.Duration
	logs  bytes.Buffer
}

func newGone() *gone {
	g := &gone{began: time.Now()}
	g.Mode, g.Logger = settings.FailureEvents, slog.New(slog.NewTextHandler(&g.logs, nil))
	g.Client = func() (*podapi.Client, error) {
		g.asked = append(g.asked, time.Since(g.began))
		return nil, errors.New("gone")
	}
	return g
}

func (g *gone) fails(hook, reason string) {
	g.Ended(state.Record{Hook: hook, Outcome: state.Failed, Reason: reason})
	synctest.Wait()
}

// A hook that fails without end makes a request in 10 s, whatever it says, and the others are
// not held back by it.
func TestRepeatsAreHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGone()
		for i := range 29 {
			g.fails("reload", fmt.Sprint("step a: ", i))
			if i == 15 {
				g.fails("other", "step b: exited with code 1")
			}
			time.Sleep(900 * time.Millisecond) // never when something else is due
		}
		synctest.Wait()
		if got, want := fmt.Sprint(g.asked), "[0s 10s 13.5s 20s]"; got != want {
			t.Errorf("asked at %s, want %s", got, want)
		}
		if n := strings.Count(g.logs.String(), "\n"); n != 3 { // show.Rare
			t.Errorf("%d lines: %s", n, g.logs.String())
		}
		g.Flush(t.Context())
	})
}

// Flush sends what is held back, and nothing is held back after it.
func TestFlushHoldsNothingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGone()
		for range 3 {
			g.fails("reload", "step a: exited with code 1")
		}
		time.Sleep(time.Second)
		g.Flush(t.Context())
		g.fails("reload", "step a: exited with code 1")
		if got, want := fmt.Sprint(g.asked), "[0s 1s 1s]"; got != want {
			t.Errorf("asked at %s, want %s", got, want)
		}
	})
}

// Flush costs no more than Timeout, or what the caller has, even where no request can be ended.
func TestFlushGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGone()
		stuck := make(chan struct{})
		g.Client = func() (*podapi.Client, error) {
			<-stuck
			return nil, errors.New("gone")
		}
		g.fails("reload", "step a: exited with code 1")
		short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		for ctx, most := range map[context.Context]time.Duration{t.Context(): Timeout, short: 300 * time.Millisecond} {
			began := time.Now()
			g.Flush(ctx)
			if took := time.Since(began); took > most+giveUp {
				t.Errorf("took %v", took)
			}
		}
		close(stuck)
	})
}

// Without Events nothing is waited for.
func TestFlushOfNothing(t *testing.T) {
	var none *Sender
	none.Flush(t.Context())
	newGone().Flush(t.Context())
}
