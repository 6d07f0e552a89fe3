package wait

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/sockets"
)

// maxNetworks bounds the networks that a text names.
const maxNetworks = 5

// connections counts the connections of the application, which does not help.
func connections(c config.Connections) Look {
	return func(context.Context) Seen {
		total, known := 0, true
		from := map[netip.Prefix]int{}
		err := sockets.Established(c.Ports, c.IdleFor > 0, func(conn sockets.Conn) {
			if !counts(c.Loopback, c.Ignore, conn.Peer.Addr()) {
				return
			}
			known = known && (conn.Idle >= 0 || c.IdleFor == 0)
			if c.IdleFor > 0 && conn.Idle >= c.IdleFor {
				return
			}
			total++
			from[network(conn.Peer.Addr())]++
		})
		if err != nil {
			return Seen{Text: err.Error()}
		}
		text := describe(total, from)
		if !known {
			text += "; idleFor is not known here, because sock_diag(7) is denied, so all count"
		}
		return Seen{Done: total <= c.AtMost, Text: text, Connections: &total}
	}
}

// counts reports whether a connection of a peer counts.
func counts(loopback bool, ignore []netip.Prefix, peer netip.Addr) bool {
	if peer.IsLoopback() && !loopback {
		return false
	}
	return !slices.ContainsFunc(ignore, func(n netip.Prefix) bool { return n.Contains(peer) })
}

// network is the part of an address that people know: /24 of IPv4, /64 of IPv6.
func network(address netip.Addr) netip.Prefix {
	bits := 64
	if address.Is4() {
		bits = 24
	}
	prefix, _ := address.WithZone("").Prefix(bits) // an address has as many bits
	return prefix
}

// describe names the networks with the most connections. It takes them out of from.
func describe(total int, from map[netip.Prefix]int) string {
	var parts []string
	for len(from) > 0 {
		if len(parts) == maxNetworks {
			parts = append(parts, fmt.Sprintf("and %d more networks", len(from)))
			break
		}
		var most netip.Prefix
		for n := range from {
			if from[n] > from[most] || from[n] == from[most] && n.Addr().Less(most.Addr()) {
				most = n
			}
		}
		parts = append(parts, fmt.Sprintf("%d from %s", from[most], most))
		delete(from, most)
	}
	text := fmt.Sprintf("%d left", total)
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, ", ")
	}
	return text
}
