package wait

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/config"
)

// New connections hold the wait up; old ones do not.
func TestQuiet(t *testing.T) {
	port, dial := application(t)
	old := dial()
	const quietFor = 500 * time.Millisecond
	c := config.Quiet{Ports: []uint16{port}, For: quietFor, Loopback: true}
	began := time.Now()
	type result struct {
		last string
		err  error
		took time.Duration
	}
	ended := make(chan result, 1)
	looked := make(chan struct{}, 1000)
	go func() {
		last, err := For(c).Until(t.Context(), Interval(config.Wait{For: c}), func(string) { looked <- struct{}{} })
		ended <- result{last, err, time.Since(began)}
	}()
	<-looked
	var newest time.Time
	for range 5 {
		time.Sleep(quietFor / 2) // the pace of the callers
		dial()
		newest = time.Now()
	}
	select {
	case r := <-ended:
		t.Fatalf("it was quiet while new connections came: %+v", r)
	default:
	}
	r := <-ended
	if since := time.Since(newest); r.err != nil || since < quietFor-200*time.Millisecond || since > 10*time.Second || !strings.Contains(r.last, "the last one came from 127.0.0.0/24") {
		t.Errorf("%+v, %v after the newest connection", r, since)
	}
	old.Close()
}

func TestQuietOfIgnoredPeers(t *testing.T) {
	port, dial := application(t)
	for name, c := range map[string]config.Quiet{
		"loopback": {}, "ignored": {Loopback: true, Ignore: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}},
	} {
		c.Ports, c.For = []uint16{port}, 50*time.Millisecond
		look := For(c)
		look(t.Context())
		dial()
		if seen := look(t.Context()); strings.Contains(seen.Text, "127.0.0") {
			t.Errorf("%s: %+v", name, seen)
		}
	}
}

func TestQuietLastsAtLeast(t *testing.T) {
	port, _ := application(t)
	began := time.Now()
	c := config.Quiet{Ports: []uint16{port}, For: 10 * time.Millisecond, AtLeast: 400 * time.Millisecond}
	if _, err := For(c).Until(t.Context(), 20*time.Millisecond, func(string) {}); err != nil || time.Since(began) < 400*time.Millisecond {
		t.Errorf("%v after %v", err, time.Since(began))
	}
}
