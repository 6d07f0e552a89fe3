package door

import (
	"context"
	"crypto/tls"
	"errors"
	"io/fs"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// unixPrefix begins the address of a Unix socket.
const unixPrefix = "unix:"

// Split returns the network and the address of "host:port" or "unix:PATH".
func Split(address string) (network, at string) {
	if path, ok := strings.CutPrefix(address, unixPrefix); ok {
		return "unix", path
	}
	return "tcp", address
}

// Listen opens a listener at "host:port" or "unix:PATH". It keeps at most limit connections
// open, and at most as many as half of the descriptors of this process, so that hooks can
// still start. It speaks TLS with a configuration. Only podhook's own user and root can
// connect to a socket.
func Listen(address string, limit int, config *tls.Config) (net.Listener, error) {
	network, at := Split(address)
	open := func() (net.Listener, error) {
		return (&net.ListenConfig{}).Listen(context.Background(), network, at)
	}
	listener, err := open()
	if network == "unix" {
		if errors.Is(err, syscall.EADDRINUSE) && removeStale(at) {
			listener, err = open()
		}
		if err == nil {
			err = os.Chmod(at, 0o600)
		}
	}
	if err != nil {
		return nil, err
	}
	limited := &limitedListener{Listener: listener, limit: affordable(limit), secure: config != nil, open: map[*limitedConn]struct{}{}}
	limited.left = sync.NewCond(&limited.mu)
	if config != nil {
		return tls.NewListener(limited, config), nil
	}
	return limited, nil
}

// removeStale removes a socket that nobody listens at: an earlier agent was killed. It
// removes nothing else.
func removeStale(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Type() != fs.ModeSocket {
		return false
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		_ = conn.Close()
		return false
	}
	return errors.Is(err, syscall.ECONNREFUSED) && os.Remove(path) == nil
}

// affordable cuts connections to half of RLIMIT_NOFILE.
func affordable(connections int) int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || uint64(connections) <= limit.Cur/2 {
		return connections
	}
	return max(int(limit.Cur/2), 1)
}
