package wait

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/sockets"
)

// quiet waits until no new connection has come for some time. It compares what the kernel
// knows at each look, and the connections of the first look are old.
func quiet(c config.Quiet) Look {
	var known map[sockets.Conn]bool
	var began, last time.Time
	var from netip.Prefix
	return func(context.Context) Seen {
		now, found := time.Now(), map[sockets.Conn]bool{}
		err := sockets.Known(c.Ports, func(conn sockets.Conn) {
			if peer := conn.Peer.Addr(); counts(c.Loopback, c.Ignore, peer) {
				found[sockets.Conn{Local: conn.Local, Peer: conn.Peer}] = true
			}
		})
		if err != nil {
			return Seen{Text: err.Error()}
		}
		if known == nil {
			known, began, last = found, now, now
		}
		for conn := range found {
			if !known[conn] {
				last, from = now, network(conn.Peer.Addr())
			}
		}
		known = found
		text := fmt.Sprintf("no new connection for %.1f s", now.Sub(last).Seconds())
		if from.IsValid() {
			text += ", the last one came from " + from.String()
		}
		return Seen{Done: now.Sub(last) >= c.For && now.Sub(began) >= c.AtLeast, Text: text}
	}
}
