package main

import (
	"fmt"
	"net"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/sockets"
)

// mostConnections are open during a look, two open files each. Where fewer are allowed the
// goal is lower too.
const mostConnections = 10_000

// look measures a look at the connections to one port.
func (b *bench) look() ([]row, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return nil, err
	}
	limit.Cur = limit.Max
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return nil, err
	}
	connections := min(mostConnections, int(limit.Max-200)/2)
	r := row{
		Figure: fmt.Sprintf("a look at %d open connections", connections), Unit: "ms",
		Goal: new(5 * float64(connections) / mostConnections),
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	port := uint16(listener.Addr().(*net.TCPAddr).Port)
	for range connections {
		client, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			return nil, err
		}
		defer client.Close()
		server, err := listener.Accept()
		if err != nil {
			return nil, err
		}
		defer server.Close()
	}
	other, err := freePort()
	if err != nil {
		return nil, err
	}
	all, err := inTurn(max(b.rounds/4, 5), timed(func() error { return count(port, connections) }), timed(func() error { return count(other, 0) }))
	if err != nil {
		return nil, err
	}
	r.Podhook = milliseconds(all[0].median())
	r.Beside = fmt.Sprintf("the kernel's walk over its table, with none to tell: %.1f ms", milliseconds(all[1].median()))
	return []row{r}, nil
}

func freePort() (uint16, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return uint16(listener.Addr().(*net.TCPAddr).Port), listener.Close()
}

func count(port uint16, want int) error {
	n := 0
	if err := sockets.Established([]uint16{port}, false, func(sockets.Conn) { n++ }); err != nil {
		return err
	}
	if n != want {
		return fmt.Errorf("%d connections seen, want %d", n, want)
	}
	return nil
}
