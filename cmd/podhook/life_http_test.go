package main

import (
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/internal/testutil"
)

// Nothing that comes over HTTP takes PID 1 down or keeps it from its work.
func TestHTTPDoesNotTakePID1Down(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, "hooks: {shutdown: {steps: [{"+note("shutdown")+"}]}}\n", "PODHOOK_LISTEN=127.0.0.1:0")
	l := s.served()
	address := l.agent()
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() { abuse(t, address, i) })
	}
	all.Wait()
	if status := l.get("/livez"); status != 200 {
		t.Errorf("livez %d after the abuse", status)
	}
	if !s.answers() {
		t.Error("CMD does not answer")
	}
	if text := s.read("log"); strings.Contains(text, "panic") {
		t.Error(shortened(text))
	}
	began := time.Now()
	l.send(syscall.SIGTERM)
	l.ends(serverCode)
	testutil.Within(t, time.Since(began), 0, 20*time.Second)
	s.happened("main starts", "shutdown", "main gets SIGTERM")
}

// abuse is one bad client.
func abuse(t *testing.T, address string, i int) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Error(err)
		return
	}
	text := []string{
		"", "\x16\x03\x01\x00", "GET /livez HTTP/1.1\r\nHost: x\r\nX-", "GET /" + strings.Repeat("a", 40<<10) + " HTTP/1.1\r\n\r\n",
		"POST /hooks/none HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\nabc",
		"GET /hooks/none HTTP/1.1\r\nHost: x\r\nUser-Agent: kube-lifecycle/1.34\r\n\r\n",
		"GET /shut%00down?wait=%zz HTTP/1.1\r\nHost: x\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	}[i%8]
	_, _ = conn.Write([]byte(text)) // it may be cut off in the middle
	if i%3 == 0 {
		_ = conn.(*net.TCPConn).SetLinger(0) // a reset
		_ = conn.Close()
		return
	}
	t.Cleanup(func() { _ = conn.Close() }) // and the others stay, saying nothing
}

// More callers than descriptors leave enough for the hooks.
func TestFloodOfConnectionsLeavesDescriptors(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, "hooks: {shutdown: {steps: [{"+note("shutdown")+"}]}}\n", "PODHOOK_LISTEN=127.0.0.1:0")
	l := s.servedBy("prlimit", "--nofile=64:64")
	address := l.agent()
	for range 200 {
		conn, err := net.DialTimeout("tcp", address, testutil.Patience)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	testutil.Eventually(t, "the connections are taken", func() bool {
		open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", l.pid))
		return err == nil && len(open) >= 32
	})
	began := time.Now()
	l.send(syscall.SIGTERM)
	l.ends(serverCode)
	testutil.Within(t, time.Since(began), 0, 20*time.Second)
	s.happened("main starts", "shutdown", "main gets SIGTERM")
}

// A listener that fails is said, and that is all.
func TestListenerThatFails(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, "hooks: {shutdown: {steps: [{"+note("shutdown")+"}]}}\n", "PODHOOK_LISTEN=127.0.0.1:0")
	l := s.served()
	l.agent()
	l.shutListener()
	testutil.Eventually(t, "it is said", func() bool { return strings.Contains(s.read("log"), "does not listen any more") })
	if !s.answers() {
		t.Error("CMD does not answer")
	}
	if e := l.exec("shutdown"); e.code != 0 {
		t.Error(e)
	}
	l.send(syscall.SIGTERM)
	l.ends(serverCode)
	s.happened("main starts", "shutdown", "main gets SIGTERM")
}

// shutListener makes the listening socket of PID 1 fail.
func (l life) shutListener() {
	t := l.s.t
	t.Helper()
	pidfd, err := unix.PidfdOpen(l.pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pidfd)
	for target := range 64 {
		fd, err := unix.PidfdGetfd(pidfd, target, 0)
		if err != nil {
			continue
		}
		listening, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
		if err == nil && listening == 1 {
			err = unix.Shutdown(fd, unix.SHUT_RDWR)
			unix.Close(fd)
			if err != nil {
				t.Fatal(err)
			}
			return
		}
		unix.Close(fd)
	}
	t.Fatal("PID 1 has no listener")
}
