package sockets

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pair is a connection of a test, as the listener's side sees it.
type pair struct {
	local, peer netip.AddrPort
	server      net.Conn
	client      net.Conn
}

func connect(t testing.TB, network, address string) pair {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Skipf("%s: %v", network, err)
	}
	defer l.Close()
	client, err := net.Dial(network, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	plain := func(a net.Addr) netip.AddrPort {
		p := a.(*net.TCPAddr).AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	return pair{plain(server.LocalAddr()), plain(server.RemoteAddr()), server, client}
}

// Both sources tell the same connections, IPv4, IPv6 and IPv4 on a socket for both.
func TestSourcesAgree(t *testing.T) {
	pairs := []pair{connect(t, "tcp4", "127.0.0.1:0"), connect(t, "tcp6", "[::1]:0")}
	both, err := net.Listen("tcp", ":0") // takes IPv4 as mapped addresses
	if err != nil {
		t.Fatal(err)
	}
	defer both.Close()
	port := both.Addr().(*net.TCPAddr).Port
	client, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := both.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	want := []string{fmt.Sprintf("127.0.0.1:%d %s", port, client.LocalAddr())}
	ports := []uint16{uint16(port)}
	for _, p := range pairs {
		want = append(want, p.local.String()+" "+p.peer.String())
		ports = append(ports, p.local.Port())
	}
	slices.Sort(want)
	for name, list := range map[string]func(func(Conn)) error{
		"netlink":  func(f func(Conn)) error { return diagnosed(ports, states{established}, true, f) },
		"proc":     func(f func(Conn)) error { return listed("/proc/self/net", states{established}, f) },
		"together": func(f func(Conn)) error { return Established(ports, true, f) },
	} {
		var got []string
		if err := list(func(c Conn) {
			if slices.Contains(ports, c.Local.Port()) {
				got = append(got, c.Local.String()+" "+c.Peer.String())
			}
			if told := c.Idle >= 0 && c.Cookie != 0; told != (name != "proc") {
				t.Errorf("%s: %+v", name, c)
			}
		}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s lists %q, want %q", name, got, want)
		}
	}
	// The kernel leaves all other ports out.
	for some := range ports {
		asked := append([]uint16{}, ports[:some+1]...)
		n := 0
		if err := diagnosed(asked, states{established}, false, func(c Conn) { n++ }); err != nil || n != some+1 {
			t.Errorf("%d ports have %d connections, %v", some+1, n, err)
		}
	}
	if err := Established(nil, true, func(c Conn) { t.Errorf("no port has %+v", c) }); err != nil {
		t.Error(err)
	}
}

// The memory of a look does not grow with the connections.
func TestLookAllocatesLittle(t *testing.T) {
	const many, most = 100, 30
	var port uint16
	for range many {
		port = connect(t, "tcp4", "127.0.0.1:0").local.Port()
	}
	for name, look := range map[string]func(func(Conn)) error{
		"netlink": func(f func(Conn)) error { return diagnosed([]uint16{port, 1}, states{established}, true, f) },
		"proc":    func(f func(Conn)) error { return listed("/proc/self/net", states{established}, f) },
	} {
		if n := testing.AllocsPerRun(5, func() {
			if err := look(func(Conn) {}); err != nil {
				t.Fatal(err)
			}
		}); n > most {
			t.Errorf("%s: %v allocations for %d connections, want at most %d", name, n, many, most)
		}
	}
}

func TestIdle(t *testing.T) {
	p := connect(t, "tcp4", "127.0.0.1:0")
	idle := func() (d time.Duration) {
		t.Helper()
		if err := Established([]uint16{p.local.Port()}, true, func(c Conn) { d = c.Idle }); err != nil {
			t.Fatal(err)
		}
		return d
	}
	const pause = 300 * time.Millisecond
	time.Sleep(pause) // the kernel's clock
	if got := idle(); got < pause-50*time.Millisecond || got > 10*time.Second {
		t.Errorf("idle for %v after %v", got, pause)
	}
	if _, err := p.client.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := p.server.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if got := idle(); got >= pause {
		t.Errorf("idle for %v after data came", got)
	}
	time.Sleep(pause)
	if _, err := p.server.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if got := idle(); got >= pause {
		t.Errorf("idle for %v after data went", got)
	}
}

// Only established connections count.
func TestStates(t *testing.T) {
	p := connect(t, "tcp4", "127.0.0.1:0")
	count := func() (n int) {
		if err := Established([]uint16{p.local.Port()}, false, func(Conn) { n++ }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := count(); n != 1 {
		t.Errorf("%d connections", n)
	}
	p.server.Close() // first, so that TIME_WAIT is here
	p.client.Close()
	if n := count(); n != 0 {
		t.Errorf("%d connections after the end", n)
	}
	for name, list := range map[string]func(func(Conn)) error{
		"netlink": func(f func(Conn)) error { return Known([]uint16{p.local.Port()}, f) },
		"ports":   func(f func(Conn)) error { return Known([]uint16{1, p.local.Port()}, f) },
		"proc":    func(f func(Conn)) error { return listed("/proc/self/net", states{established, 6}, f) },
	} {
		known := false
		if err := list(func(c Conn) {
			if c.Local == p.local && c.Peer == p.peer {
				known = c.Closed >= 0 && c.Closed < 20*time.Second
			}
		}); err != nil || !known {
			t.Errorf("%s: the ended connection is known: %v, %v", name, known, err)
		}
	}
}

func TestBrokenAnswers(t *testing.T) {
	for name, text := range map[string][]byte{
		"a size too large": {255, 0, 0, 0, 18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"a size of 0":      make([]byte, 16),
		"no body":          {16, 0, 0, 0, 18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"an error":         {20, 0, 0, 0, unix.NLMSG_ERROR, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff},
	} {
		if done, err := part(text, func(Conn) { t.Errorf("%s: a connection", name) }); done || err == nil {
			t.Errorf("%s: done %v, %v", name, done, err)
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "tcp"), []byte("  sl  local_address rem_address   st\n nonsense\n   0: 0100007F:1F90 zz:0 01 0:0 00:0\n   1: 0100007F:1F90 0200007F:0050 01 0:0 00:0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var got []Conn
	if err := listed(dir, states{established}, func(c Conn) { got = append(got, c) }); err != nil || len(got) != 1 || got[0].Local.Port() != 8080 {
		t.Errorf("%+v, %v", got, err)
	}
	if err := listed(filepath.Join(dir, "none"), nil, nil); err == nil {
		t.Error("no directory is no error")
	}
}

// bare is how long the kernel takes to tell the connections: nobody reads what it tells.
func bare(ports []uint16) (err error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, request(ports, states{established}, false), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	buffer := make([]byte, 32<<10)
	for n := 0; n < unix.SizeofNlMsghdr || binary.NativeEndian.Uint16(buffer[4:]) != unix.NLMSG_DONE; {
		if n, err = unix.Read(fd, buffer); err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkEstablished looks at many connections of one port.
func BenchmarkEstablished(b *testing.B) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		b.Fatal(err)
	}
	many := int(cmp.Or(min(limit.Cur, 20_200), 1)-200) / 2
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	for range many {
		client, err := net.Dial("tcp4", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		defer client.Close()
		server, err := l.Accept()
		if err != nil {
			b.Fatal(err)
		}
		defer server.Close()
	}
	ports := []uint16{uint16(l.Addr().(*net.TCPAddr).Port)}
	for name, list := range map[string]func(func(Conn)) error{
		"netlink":      func(f func(Conn)) error { return diagnosed(ports, states{established}, false, f) },
		"netlink-idle": func(f func(Conn)) error { return diagnosed(ports, states{established}, true, f) },
		"proc":         func(f func(Conn)) error { return listed("/proc/self/net", states{established}, f) },
	} {
		b.Run(fmt.Sprintf("%s-%d", name, many), func(b *testing.B) {
			for b.Loop() {
				n := 0
				if err := list(func(Conn) { n++ }); err != nil || n < many {
					b.Fatal(n, err)
				}
			}
		})
	}
	b.Run(fmt.Sprintf("bare-%d", many), func(b *testing.B) {
		for b.Loop() {
			if err := bare(ports); err != nil {
				b.Fatal(err)
			}
		}
	})
}
