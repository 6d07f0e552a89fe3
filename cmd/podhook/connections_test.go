package main

import (
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/podhook/podhook/internal/testutil"
)

// A server that knows nothing of draining is drained by what the kernel knows: as a step
// and as a command.
func TestWaitForConnections(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = conn.Read(make([]byte, 1))
			}()
		}
	}()
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	s := newSandbox(t, "hooks: {shutdown: {steps: [{wait: {connections: {port: "+port+", loopback: true}, interval: 50ms}}]}}")
	open := dial()
	call := s.start("shutdown")
	testutil.Eventually(t, "status shows what is left", func() bool {
		rec, found := s.lastRun("shutdown")
		return found && rec.Steps[0].Waiting == "connections to port "+port+": 1 left: 1 from 127.0.0.0/24"
	})
	e := s.expect(124, "wait", "--connections", port, "--loopback", "--timeout", "300ms")
	contains(t, e.stderr, "waited 300ms for connections to port "+port+": 1 left")
	testutil.Within(t, e.elapsed, 300*time.Millisecond, 10*time.Second)
	s.expect(0, "wait", "--connections", port, "--timeout", "0s")
	s.expect(0, "wait", "--connections", port, "--loopback", "--at-most", "1", "--timeout", "0s")
	s.expect(0, "wait", "--connections", port, "--loopback", "--ignore", "127.0.0.0/8", "--timeout", "0s")
	e = s.expect(0, "wait", "--quiet", port, "--for", "300ms", "--timeout", "20s")
	testutil.Within(t, e.elapsed, 300*time.Millisecond, 10*time.Second)
	open.Close()
	if e := call.wait(t); e.code != 0 {
		t.Error(e)
	}
	for args, want := range map[string]string{
		"--connections http":                       `wait: --connections: "http": allowed is a port`,
		"--connections 80 --at-most 1.5":           "wait: --at-most: 1.5: a whole number",
		"--idle-for 1s --quiet 80":                 "wait: --idle-for needs --connections PORT",
		"--loopback --file /x":                     "wait: --loopback and --ignore need --connections PORT or --quiet PORT",
		"--quiet 0":                                `wait: --quiet: "0": allowed is a port`,
		"--at-most 1 --file /x":                    "wait: --at-most needs --metric URL or --connections PORT",
		"--connections 80 --idle-for -1s":          "wait: --idle-for: ",
		"--quiet 80 --for 0s":                      `wait: --for: "0s": a duration of more than 0s`,
		"--quiet 80 --for -1s":                     `wait: --for: "-1s": a duration of more than 0s`,
		"--connections 80 --for 5s":                "wait: --for needs --quiet PORT",
		"--connections 80 --ignore pods":           "a network such as",
		"--connections 80 --name x":                "need --metric URL",
		"--connections 80 --timeout 0s --at-least": "at-least",
	} {
		contains(t, s.expect(2, append([]string{"wait"}, strings.Fields(args)...)...).stderr, want)
	}
}
