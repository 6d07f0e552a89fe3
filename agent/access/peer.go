package access

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// peerKey is the key of the uid of a Unix socket's peer in the context of a request.
type peerKey struct{}

// nobody is the uid of a peer that the kernel does not tell.
const nobody = -1

// WithPeer keeps who is at the other end of a Unix socket. net/http calls it once for
// each connection.
func WithPeer(ctx context.Context, conn net.Conn) context.Context {
	socket, ok := conn.(interface {
		SyscallConn() (syscall.RawConn, error)
	})
	if !ok || conn.LocalAddr().Network() != "unix" {
		return ctx
	}
	uid := nobody
	if raw, err := socket.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { // an error leaves nobody
			if peer, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
				uid = int(peer.Uid)
			}
		})
	}
	return context.WithValue(ctx, peerKey{}, uid)
}

// local reports whether a request came through a Unix socket, and whether it is from root
// or podhook's own user, who could run the commands of podhook too.
func local(req *http.Request) (socket, own bool) {
	uid, socket := req.Context().Value(peerKey{}).(int)
	return socket, socket && (uid == 0 || uid == os.Geteuid())
}

// Address returns the address of a TCP peer, the zero Addr for others. Only the
// connection tells it: any caller can write a forwarded header.
func Address(remote string) netip.Addr {
	peer, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	return peer.Addr().Unmap().WithZone("")
}
