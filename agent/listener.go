package agent

import (
	"context"
	"net"
	"sync"

	"golang.org/x/sys/unix"
)

// Listen opens a TCP listener that accepts at most limit connections at once, and at
// most as many as half of the descriptors of this process, so that hooks can still
// start. More connections wait in the queue of the kernel.
func Listen(address string, limit int) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, err
	}
	return &limitedListener{Listener: l, slots: make(chan struct{}, affordable(limit)), closed: make(chan struct{})}, nil
}

// affordable cuts connections to half of RLIMIT_NOFILE.
func affordable(connections int) int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || uint64(connections) <= limit.Cur/2 {
		return connections
	}
	return max(int(limit.Cur/2), 1)
}

// limitedListener accepts a connection only when one of its slots is free.
type limitedListener struct {
	net.Listener
	slots  chan struct{}
	closed chan struct{}
	once   sync.Once
}

// Accept waits for a slot and for a connection.
func (l *limitedListener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &limitedConn{Conn: conn, release: func() { <-l.slots }}, nil
}

// Close also ends an Accept that waits for a slot.
func (l *limitedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// limitedConn frees its slot when it is closed.
type limitedConn struct {
	net.Conn
	release func()
	once    sync.Once
}

// CloseWrite lets net/http end an answer while the caller still sends. A full close
// with unread data would reset the connection, and the answer would be lost.
func (c *limitedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Close closes the connection and frees its slot. It may be called more than once.
func (c *limitedConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(c.release)
	return err
}
