package wait

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/sockets"
)

// quiet waits until no new connection has come for some time.
func quiet(c config.Quiet) Look {
	q := &arrivals{quiet: c}
	return func(context.Context) Seen {
		var found []sockets.Conn
		err := sockets.Known(c.Ports, func(conn sockets.Conn) {
			if counts(c.Loopback, c.Ignore, conn.Peer.Addr()) {
				found = append(found, conn)
			}
		})
		if err != nil {
			return Seen{Text: err.Error()}
		}
		return q.look(time.Now(), found)
	}
}

// arrivals compares what the kernel knows at each look. The connections of the first look
// are old.
type arrivals struct {
	quiet       config.Quiet
	known       map[connection]bool
	beats       map[netip.Addr][]beat
	began, last time.Time
	from        netip.Prefix // where the last one came from
	probes      int          // those that were left out
}

type connection struct{ local, peer netip.AddrPort }

func (q *arrivals) look(now time.Time, found []sockets.Conn) Seen {
	known := make(map[connection]bool, len(found))
	first := q.known == nil
	if first {
		q.begin(now, found)
	}
	for _, conn := range found {
		id := connection{conn.Local, conn.Peer}
		known[id] = true
		if first || q.known[id] {
			continue
		}
		peer := conn.Peer.Addr()
		if onBeat(q.beats[peer], now.Sub(q.began)-max(conn.Closed, 0), offBeat+offLook) {
			q.probes++
			continue
		}
		q.last, q.from = now, network(peer)
	}
	q.known = known
	text := fmt.Sprintf("no new connection for %.1f s", now.Sub(q.last).Seconds())
	if q.probes > 0 {
		text += fmt.Sprintf(" but %d by probes", q.probes)
	}
	if q.from.IsValid() {
		text += ", the last one came from " + q.from.String()
	}
	return Seen{Done: now.Sub(q.last) >= q.quiet.For && now.Sub(q.began) >= q.quiet.AtLeast, Text: text}
}

// begin finds out who came regularly before. A probe that comes less often than the wait
// lasts does not disturb it.
func (q *arrivals) begin(now time.Time, found []sockets.Conn) {
	ended := map[netip.Addr][]time.Duration{}
	for _, conn := range found {
		if conn.Closed >= 0 {
			peer := conn.Peer.Addr()
			ended[peer] = append(ended[peer], -conn.Closed)
		}
	}
	q.beats = findProbes(ended, q.quiet.For+time.Second)
	q.began, q.last = now, now
}
