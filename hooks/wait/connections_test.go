package wait

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/internal/testutil"
)

// application is a server that knows nothing of draining.
func application(t *testing.T) (port uint16, dial func() net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	dial = func() net.Conn {
		t.Helper()
		client, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		server, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { client.Close(); server.Close() })
		go func() { // it closes when its caller does
			_, _ = server.Read(make([]byte, 1))
			server.Close()
		}()
		return client
	}
	return uint16(l.Addr().(*net.TCPAddr).Port), dial
}

func TestConnections(t *testing.T) {
	port, dial := application(t)
	other, _ := application(t)
	look := func(c config.Connections) Seen {
		if c.Ports == nil {
			c.Ports = []uint16{port}
		}
		return For(c)(t.Context())
	}
	counted := config.Connections{Loopback: true}
	if seen := look(counted); !seen.Done || seen.Text != "0 left" {
		t.Errorf("no connection: %+v", seen)
	}
	first, second := dial(), dial()
	for name, c := range map[string]struct {
		c    config.Connections
		done bool
		text string
	}{
		"counted":              {counted, false, "2 left: 2 from 127.0.0.0/24"},
		"loopback is left out": {config.Connections{}, true, "0 left"},
		"as many as allowed":   {config.Connections{Loopback: true, AtMost: 2}, true, "2 left: 2 from 127.0.0.0/24"},
		"ignored":              {config.Connections{Loopback: true, Ignore: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, true, "0 left"},
		"another port":         {config.Connections{Loopback: true, Ports: []uint16{other}}, true, "0 left"},
		"both ports":           {config.Connections{Loopback: true, Ports: []uint16{other, port}}, false, "2 left: 2 from 127.0.0.0/24"},
		"not idle so long":     {config.Connections{Loopback: true, IdleFor: time.Hour}, false, "2 left: 2 from 127.0.0.0/24"},
	} {
		if seen := look(c.c); seen.Done != c.done || seen.Text != c.text || seen.Err != nil {
			t.Errorf("%s: %+v, want %v %s", name, seen, c.done, c.text)
		}
	}
	testutil.Eventually(t, "both are idle", func() bool {
		return look(config.Connections{Loopback: true, IdleFor: 10 * time.Millisecond}).Done
	})
	counted.Ports = []uint16{port}
	began := time.Now()
	ended := make(chan error)
	go func() {
		_, err := For(counted).Until(t.Context(), 50*time.Millisecond, func(string) {})
		ended <- err
	}()
	first.Close()
	select {
	case err := <-ended:
		t.Fatalf("ended with a connection left: %v", err)
	case <-time.After(200 * time.Millisecond): // longer than some looks
	}
	second.Close()
	if err := <-ended; err != nil || time.Since(began) > 10*time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
	dial()
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if last, err := For(counted).Until(short, DefaultInterval, func(string) {}); !errors.Is(err, context.DeadlineExceeded) || !strings.HasPrefix(last, "1 left") {
		t.Errorf("%s, %v", last, err)
	}
}

func TestDescribe(t *testing.T) {
	from := map[netip.Prefix]int{}
	for i := range 7 {
		from[network(netip.MustParseAddr(fmt.Sprintf("10.0.%d.9", i)))] = 10 + i
	}
	from[network(netip.MustParseAddr("2001:db8::1"))] = 90
	const want = "181 left: 90 from 2001:db8::/64, 16 from 10.0.6.0/24, 15 from 10.0.5.0/24, 14 from 10.0.4.0/24, 13 from 10.0.3.0/24, and 3 more networks"
	if got := describe(181, from); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
