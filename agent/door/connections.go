package door

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// minStay is how long a connection keeps its place against others of its own address.
const minStay = time.Second

// limitedListener bounds its connections. It accepts every one. A connection too many
// takes the place of an older one, so that many idle, slow or busy callers keep no other
// caller out, kubelet least of all:
//
//   - At most half of the connections wait for hooks, and the others answer quickly.
//   - Of these, the one that was opened first is closed, of the address with the most of
//     them. If that is the new caller's own address, the old one must have had minStay or
//     be idle after an answer; else the new one is closed, which costs less than to serve it.
//   - Of those that wait, the last one is closed, of the address with the most of them. If
//     that is the new caller's own address, the caller is refused instead.
type limitedListener struct {
	net.Listener
	limit  int
	secure bool // its connections carry TLS

	mu      sync.Mutex
	open    map[*limitedConn]struct{}
	opened  uint64     // connections so far
	serving int        // connections that are open, or closed and still served
	left    *sync.Cond // serving has become less, or the listener is closed
	closed  bool
}

// Accept waits for a connection and makes a place for it.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c := l.admit(conn); c != nil {
			return c, nil
		}
		_ = conn.Close() // its caller was promised nothing
	}
}

// admit returns nil if there is no place. It waits until the server has noticed that
// earlier connections were closed, because their memory is not free before.
func (l *limitedListener) admit(conn net.Conn) net.Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := &limitedConn{Conn: conn, listener: l, origin: origin(conn.RemoteAddr()), since: time.Now()}
	if len(l.open) >= l.limit && !l.makePlace(c) {
		return nil
	}
	l.opened++
	l.serving++
	c.number = l.opened
	l.open[c] = struct{}{}
	for l.serving > l.limit && !l.closed {
		l.left.Wait()
	}
	return c
}

// makePlace closes a connection, and reports whether there was one. It is called with mu
// held.
func (l *limitedListener) makePlace(c *limitedConn) bool {
	older := func(a, b *limitedConn) bool { return a.number < b.number }
	victim := l.busiest(func(c *limitedConn) bool { return !c.waiting }, older)
	if victim == nil {
		return true // one too many: all others wait for hooks
	}
	if victim.origin == c.origin && time.Since(victim.since) < minStay {
		victim = l.busiest(func(other *limitedConn) bool { return other.idle && other.origin == c.origin }, older)
	}
	if victim == nil {
		return false
	}
	delete(l.open, victim)
	_ = victim.Conn.Close()
	return true
}

// Close also ends an Accept that waits.
func (l *limitedListener) Close() error {
	l.mu.Lock()
	l.closed = true
	l.left.Broadcast()
	l.mu.Unlock()
	return l.Listener.Close()
}

// busiest returns, of the connections that match, the first one by an order, of the origin
// with the most of them; nil if there is none. It is called with mu held.
func (l *limitedListener) busiest(match func(*limitedConn) bool, before func(a, b *limitedConn) bool) *limitedConn {
	counts, first := map[netip.Prefix]int{}, map[netip.Prefix]*limitedConn{}
	var most *limitedConn
	for c := range l.open {
		if !match(c) {
			continue
		}
		counts[c.origin]++
		if best := first[c.origin]; best == nil || before(c, best) {
			first[c.origin] = c
		}
	}
	for at, c := range first {
		if most == nil || counts[at] > counts[most.origin] || counts[at] == counts[most.origin] && before(c, most) {
			most = c
		}
	}
	return most
}

// wait marks a connection whose caller waits for a hook, and reports whether it may.
func (l *limitedListener) wait(c *limitedConn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	total, counts := 0, map[netip.Prefix]int{}
	for other := range l.open {
		if other.waiting {
			total++
			counts[other.origin]++
		}
	}
	if total >= max(l.limit/2, 1) {
		newer := func(a, b *limitedConn) bool { return a.number > b.number }
		victim := l.busiest(func(c *limitedConn) bool { return c.waiting }, newer)
		if counts[c.origin]+1 >= counts[victim.origin] {
			return false
		}
		delete(l.open, victim)
		_ = victim.Conn.Close() // its request ends, the run goes on
	}
	c.waiting = true
	return true
}

// origin is who a connection is from: an IPv4 address, the network of 64 bits that one
// caller has in IPv6, or the zero Prefix for a Unix socket.
func origin(peer net.Addr) netip.Prefix {
	tcp, ok := peer.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	address := tcp.AddrPort().Addr().Unmap()
	bits := min(address.BitLen(), 64)
	at, err := address.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return at
}

// limitedConn is a connection of a limitedListener.
type limitedConn struct {
	net.Conn
	listener *limitedListener
	origin   netip.Prefix
	number   uint64
	since    time.Time
	waiting  bool // for a hook; this and the next two are guarded by the listener's mu
	idle     bool // after an answer
	ended    bool
}

// Close closes the connection and gives its place back. It may be called more than once.
func (c *limitedConn) Close() error {
	l := c.listener
	l.mu.Lock()
	delete(l.open, c)
	if !c.ended {
		c.ended = true
		l.serving--
		l.left.Signal()
	}
	l.mu.Unlock()
	return c.Conn.Close()
}

// Write drops the answer that net/http gives to a caller that does not speak TLS: a 400,
// which kubelet takes for success (deploy/kubernetes/kubelet.md). The caller finds the
// connection closed. No record of TLS begins so.
func (c *limitedConn) Write(text []byte) (int, error) {
	if c.listener.secure && bytes.HasPrefix(text, []byte("HTTP/")) {
		return len(text), nil
	}
	return c.Conn.Write(text)
}

// CloseWrite lets net/http end an answer while the caller still sends. A full close
// with unread data would reset the connection, and the answer would be lost.
func (c *limitedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// SyscallConn lets the peer of a Unix socket be asked for.
func (c *limitedConn) SyscallConn() (syscall.RawConn, error) {
	if raw, ok := c.Conn.(syscall.Conn); ok {
		return raw.SyscallConn()
	}
	return nil, syscall.EOPNOTSUPP
}

// connKey is the key of the connection in the context of a request.
type connKey struct{}

// WithConn keeps the connection, for Wait. net/http calls it once for each connection.
func WithConn(ctx context.Context, conn net.Conn) context.Context {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	if c, ok := conn.(*limitedConn); ok {
		return context.WithValue(ctx, connKey{}, c)
	}
	return ctx
}

// Serve says that a request is served from now on, until done is called.
func Serve(ctx context.Context) (done func()) {
	c, ok := ctx.Value(connKey{}).(*limitedConn)
	if !ok {
		return func() {}
	}
	set := func(idle bool) {
		c.listener.mu.Lock()
		defer c.listener.mu.Unlock()
		c.idle = idle
	}
	set(false)
	return func() { set(true) }
}

// Wait says that the caller of a request waits for a hook from now on, until done is
// called. It returns false if too many do.
func Wait(ctx context.Context) (done func(), ok bool) {
	c, ok := ctx.Value(connKey{}).(*limitedConn)
	if !ok {
		return func() {}, true
	}
	if !c.listener.wait(c) {
		return nil, false
	}
	return func() {
		c.listener.mu.Lock()
		defer c.listener.mu.Unlock()
		c.waiting = false
	}, true
}
