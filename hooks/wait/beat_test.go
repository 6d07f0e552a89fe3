package wait

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/sockets"
	"github.com/podhook/podhook/internal/testutil"
)

// every returns the ends of connections that came every period, the last one before the
// wait began, each late by up to jitter.
func every(period, last, jitter time.Duration) (ends []time.Duration) {
	for at := -last; at > -time.Minute; at -= period {
		ends = append(ends, at-jitter/2+rand.N(jitter+1))
	}
	return ends
}

func TestFindBeats(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	for name, tt := range map[string]struct {
		ends []time.Duration
		want []time.Duration
	}{
		"one probe":             {every(2*s, 700*ms, 50*ms), []time.Duration{2 * s}},
		"readiness, liveness":   {append(every(1*s, 700*ms, 50*ms), every(3*s, 1100*ms, 50*ms)...), []time.Duration{1 * s, 3 * s}},
		"of a young container":  {every(1*s, 300*ms, 0)[:fewestProbes], []time.Duration{1 * s}},
		"too few":               {every(1*s, 300*ms, 0)[:fewestProbes-1], nil},
		"seldom":                {every(10*s, 3*s, 0), nil},
		"stopped long ago":      {every(1*s, 5*s, 0), nil},
		"began again":           {append(every(1*s, 300*ms, 0)[:10], -30*s), nil},
		"a client of this rate": {every(700*ms, 300*ms, 0), nil},
		"a busy client":         {every(50*ms, 10*ms, 0)[:mostEnds], nil},
		"a very busy client":    {every(10*ms, 10*ms, 0), nil},
	} {
		found := findBeats(tt.ends, 4*s)
		var periods []time.Duration
		for _, b := range found {
			periods = append(periods, b.period)
		}
		if len(periods) != len(tt.want) || len(periods) > 0 && periods[0] != tt.want[0] {
			t.Errorf("%s: found %v, want %v", name, periods, tt.want)
		}
	}
}

// A client that comes at random has no beat that would hide it.
func TestNoBeatInNoise(t *testing.T) {
	for range 100 {
		for perMinute := 5; perMinute < 2*mostEnds; perMinute += 5 {
			var ends []time.Duration
			for range perMinute {
				ends = append(ends, -rand.N(time.Minute))
			}
			if found := findBeats(ends, 4*time.Second); found != nil {
				t.Errorf("%d at random have the beats %v", perMinute, found)
			}
		}
	}
}

// Probes at the beat do not count; another connection of their address does.
func TestProbesAreNoArrivals(t *testing.T) {
	probe, began := netip.MustParseAddr("10.9.0.1"), time.Now()
	var port uint16
	at := func(closed time.Duration) sockets.Conn {
		port++
		return sockets.Conn{Peer: netip.AddrPortFrom(probe, port), Closed: closed}
	}
	var all []sockets.Conn
	for _, end := range every(time.Second, 400*time.Millisecond, 40*time.Millisecond) {
		all = append(all, at(-end))
	}
	q := &arrivals{quiet: config.Quiet{For: 3 * time.Second}}
	q.look(began, all)
	look := func(now, closed time.Duration) string {
		all = append(all, at(closed))
		return q.look(began.Add(now), all).Text
	}
	for now := 600 * time.Millisecond; now < 2*time.Second; now += time.Second {
		if text := look(now+80*time.Millisecond, 60*time.Millisecond); !strings.HasPrefix(text, fmt.Sprintf("no new connection for %.1f s but", (now+80*time.Millisecond).Seconds())) || strings.Contains(text, "10.9") {
			t.Errorf("after a probe: %s", text)
		}
	}
	if text := look(2100*time.Millisecond, -1); text != "no new connection for 0.0 s but 2 by probes, the last one came from 10.9.0.0/24" {
		t.Error(text)
	}
}

// TestQuietBesideProbes: a prober that comes more often than the wait lasts does not hold
// it up.
func TestQuietBesideProbes(t *testing.T) {
	testutil.Slow(t)
	port, dial := application(t)
	closed := func() { // as for a probe, the server closes first
		t.Helper()
		client := dial()
		if _, err := client.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		_, _ = client.Read(make([]byte, 1))
		client.Close()
	}
	const period = time.Second
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for range fewestProbes {
		closed()
		<-ticker.C
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	ended := make(chan string, 1)
	c := config.Quiet{Ports: []uint16{port}, For: 2500 * time.Millisecond, Loopback: true}
	began := time.Now()
	closed()
	go func() {
		last, err := For(c).Until(ctx, config.QuietInterval, func(string) {})
		if err != nil {
			last += err.Error()
		}
		ended <- last
	}()
	for {
		select {
		case <-ticker.C:
			closed()
		case last := <-ended:
			if took := time.Since(began); took < c.For || took > 10*time.Second || !strings.Contains(last, "by probes") {
				t.Errorf("%s after %v", last, took)
			}
			return
		}
	}
}
