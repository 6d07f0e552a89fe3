// Package sockets lists the TCP connections of this network namespace. In a pod all
// containers have one, so podhook sees the connections of the application, also from a
// sidecar. It needs no privilege.
package sockets

import (
	"net/netip"
	"slices"
	"time"
)

// Conn is a connection. The addresses are never IPv4-mapped.
type Conn struct {
	Local, Peer netip.AddrPort
	// Cookie identifies the socket as long as the kernel runs (sock_diag(7)); 0 if it is
	// unknown.
	Cookie uint64
	// Idle is for how long no data was sent or received; less than 0 if it is unknown.
	Idle time.Duration
	// Closed is how long ago the connection came into TIME_WAIT; less than 0 if it is not
	// in this state.
	Closed time.Duration
}

// timeWait is how long the kernel keeps a connection in TIME_WAIT (TCP_TIMEWAIT_LEN of
// linux/tcp.h).
const timeWait = time.Minute

// Established calls each for every established connection that has one of the local ports,
// also for some before an error. The order is not defined. It asks the kernel by sock_diag(7), and reads /proc/self/net
// (proc(5)) where that is denied or not built in; then it tells neither Cookie nor Idle.
// Without idle it never tells Idle, which costs the kernel most of the time.
func Established(ports []uint16, idle bool, each func(Conn)) error {
	return list(ports, states{established}, idle, each)
}

// Known calls each for every connection of these local ports that the kernel still knows:
// established, or on its way to the end, such as in TIME_WAIT. It never tells Idle.
func Known(ports []uint16, each func(Conn)) error {
	return list(ports, states{established, 4, 5, 6, 8, 9, 11}, false, each)
}

// states are those of linux/tcp_states.h: here all but SYN_SENT, SYN_RECV, CLOSE, LISTEN.
type states []byte

const stateTimeWait = 6

// closed is how long ago a connection came into TIME_WAIT that is left after some time.
func closed(state byte, left time.Duration) time.Duration {
	if state != stateTimeWait {
		return -1
	}
	return max(timeWait-left, 0)
}

func list(ports []uint16, in states, idle bool, each func(Conn)) error {
	if len(ports) == 0 {
		return nil
	}
	told := false
	err := diagnosed(ports, in, idle, func(c Conn) {
		told = true
		each(c)
	})
	if err == nil || told {
		return err
	}
	return listed("/proc/self/net", in, func(c Conn) {
		if slices.Contains(ports, c.Local.Port()) {
			each(c)
		}
	})
}

// address returns an address that is not IPv4-mapped, of 4 or 16 bytes.
func address(raw []byte, port uint16) netip.AddrPort {
	if len(raw) == 4 {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(raw)), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte(raw)).Unmap(), port)
}
