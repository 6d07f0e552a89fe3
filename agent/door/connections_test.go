package door

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"
)

// client is an address of the loopback network, so that a test has several callers.
type client struct {
	t    *testing.T
	l    net.Listener
	from string
}

// dial opens a connection, which the server has accepted.
func (c client) dial(accepted <-chan net.Conn) (here net.Conn, there *limitedConn) {
	c.t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(c.from)}, Timeout: 10 * time.Second}
	here, err := dialer.Dial("tcp", c.l.Addr().String())
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { here.Close() })
	select {
	case conn := <-accepted:
		return here, conn.(*limitedConn)
	case <-time.After(10 * time.Second):
		c.t.Fatal("a connection is not accepted")
		return nil, nil
	}
}

// dialOnly opens a connection, which the listener may close.
func (c client) dialOnly() net.Conn {
	c.t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(c.from)}, Timeout: 10 * time.Second}
	conn, err := dialer.Dial("tcp", c.l.Addr().String())
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { conn.Close() })
	return conn
}

func accept(t *testing.T, limit int) (net.Listener, <-chan net.Conn) {
	l := listen(t, "127.0.0.1:0", limit)
	accepted := make(chan net.Conn)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { // the server notices the end
				_, _ = io.Copy(io.Discard, conn)
				conn.Close()
			}()
			accepted <- conn
		}
	}()
	return l, accepted
}

// closed waits for the end of a connection.
func closed(t *testing.T, conn net.Conn) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a connection too many stays: %v", err)
	}
}

func stays(t *testing.T, conn net.Conn) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a connection that may stay is closed: %v", err)
	}
}

// One too many closes the oldest of the address with the most.
func TestConnectionTooManyTakesAPlace(t *testing.T) {
	l, accepted := accept(t, 4)
	kubelet, attacker := client{t, l, "127.0.0.1"}, client{t, l, "127.0.0.2"}
	own, _ := kubelet.dial(accepted)
	var many []net.Conn
	var there []*limitedConn
	for range 3 {
		conn, c := attacker.dial(accepted)
		many, there = append(many, conn), append(there, c)
	}
	for range 3 {
		closed(t, attacker.dialOnly())
	}
	for _, conn := range many {
		stays(t, conn)
	}
	there[1].listener.mu.Lock()
	there[1].idle = true // it has its answer
	there[1].listener.mu.Unlock()
	next, _ := attacker.dial(accepted)
	closed(t, many[1])
	many[1] = next
	time.Sleep(minStay)                          // a real clock: these are real connections
	many = []net.Conn{many[0], many[2], many[1]} // by age
	for range 2 {
		next, _ := attacker.dial(accepted)
		closed(t, many[0])
		many = append(many[1:], next)
	}
	next, _ = kubelet.dial(accepted)
	closed(t, many[0])
	for _, conn := range append(many[1:], own, next) {
		stays(t, conn)
	}
}

// Those who wait for hooks keep their places, and are at most half.
func TestWaitingCallsAreHalf(t *testing.T) {
	l, accepted := accept(t, 6)
	kubelet, attacker := client{t, l, "127.0.0.1"}, client{t, l, "127.0.0.2"}
	wait := func(c *limitedConn) bool { return c.listener.wait(c) }
	var here []net.Conn
	var there []*limitedConn
	for range 4 {
		conn, c := attacker.dial(accepted)
		here, there = append(here, conn), append(there, c)
	}
	for i, want := range []bool{true, true, true, false} {
		if got := wait(there[i]); got != want {
			t.Errorf("call %d of one address may wait: %v", i, got)
		}
	}
	time.Sleep(minStay)
	for range 3 { // the fourth one, which may not wait, is closed
		conn, c := attacker.dial(accepted)
		here, there = append(here, conn), append(there, c)
	}
	closed(t, here[3])
	for _, conn := range here[:3] {
		stays(t, conn)
	}
	first, firstCall := kubelet.dial(accepted)
	if !wait(firstCall) {
		t.Fatal("kubelet's call may not wait")
	}
	closed(t, here[2]) // the newest one of the attacker that waits
	second, secondCall := kubelet.dial(accepted)
	if wait(secondCall) {
		t.Error("an address gets more than another one by taking a place of it")
	}
	for _, conn := range []net.Conn{here[0], here[1], first, second} {
		stays(t, conn)
	}
}

func TestPlacesComeBack(t *testing.T) {
	l, accepted := accept(t, 2)
	for range 10 {
		conn, c := client{t, l, "127.0.0.1"}.dial(accepted)
		if !c.listener.wait(c) {
			t.Fatal("the place of a call that has ended is not given back")
		}
		c.Close()
		c.Close()
		closed(t, conn)
	}
	limited := l.(*limitedListener)
	limited.mu.Lock()
	defer limited.mu.Unlock()
	if len(limited.open) != 0 || limited.serving != 0 {
		t.Errorf("%d connections are open, %d served", len(limited.open), limited.serving)
	}
}

// The memory of a closed connection is free when the server has let go of it, and not before.
func TestPlaceIsFreeWhenTheServerHasLetGo(t *testing.T) {
	l := listen(t, "127.0.0.1:0", 1)
	slow, other := client{t, l, "127.0.0.2"}, client{t, l, "127.0.0.1"}
	accepted := make(chan net.Conn)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- conn
		}
	}()
	slow.dialOnly()
	served := <-accepted
	time.Sleep(minStay)
	other.dialOnly()
	select {
	case <-accepted:
		t.Fatal("two are served where one may be")
	case <-time.After(100 * time.Millisecond): // long enough for an Accept that does not wait
	}
	served.Close()
	(<-accepted).Close()
}

// Wait finds the connection of a request, also through TLS.
func TestWaitFindsTheConnection(t *testing.T) {
	secure, err := TLS{SelfSigned: true}.Config()
	if err != nil {
		t.Fatal(err)
	}
	l, err := Listen("127.0.0.1:0", 2, secure)
	if err != nil {
		t.Fatal(err)
	}
	inside, release := make(chan bool), make(chan struct{})
	server := &http.Server{ConnContext: WithConn, Handler: http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		done, ok := Wait(req.Context())
		inside <- ok
		if ok {
			<-release
			done()
		}
	})}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	answers := make(chan error, 2)
	call := func() {
		resp, err := insecure().Get("https://" + l.Addr().String())
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		answers <- err
	}
	go call()
	select {
	case ok := <-inside:
		if !ok {
			t.Fatal("the first call may not wait")
		}
	case err := <-answers:
		t.Fatal(err)
	}
	go call()
	if <-inside {
		t.Error("a second of two connections may wait")
	}
	if err := <-answers; err != nil {
		t.Error(err)
	}
	close(release)
	if err := <-answers; err != nil {
		t.Error(err)
	}
	if done, ok := Wait(context.Background()); !ok {
		t.Error("without a listener nobody waits")
	} else {
		done()
	}
}
