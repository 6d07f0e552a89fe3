package sockets

import (
	"encoding/binary"
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// The messages of sock_diag(7) and linux/inet_diag.h, which golang.org/x/sys does not have.
const (
	sockDiagByFamily = 20
	requestSize      = 16 + 56 // nlmsghdr and inet_diag_req_v2
	replySize        = 72      // inet_diag_msg
	infoAttribute    = 2       // INET_DIAG_INFO, a tcp_info
	established      = 1       // TCP_ESTABLISHED

	// Where tcp_info has the milliseconds since data were last sent and received.
	lastDataSent, lastDataReceived = 44, 52
)

// diagTime bounds the wait for one part of the answer. The kernel answers at once.
const diagTime = time.Second

var errShort = errors.New("sock_diag: the kernel's answer is too short")

// diagnosed lists connections by netlink.
func diagnosed(ports []uint16, in states, idle bool, each func(Conn)) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	timeout := unix.NsecToTimeval(diagTime.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
		return err
	}
	var only uint16 // the kernel can leave out all other ports
	if len(ports) == 1 {
		only = ports[0]
	}
	buffer := make([]byte, 32<<10) // as large as the kernel's parts are
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		if err := unix.Sendto(fd, request(family, only, in, idle), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
			return err
		}
		for done := false; !done; {
			n, _, err := unix.Recvfrom(fd, buffer, 0)
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if err != nil {
				return err
			}
			if done, err = part(buffer[:n], each); err != nil {
				return err
			}
		}
	}
	return nil
}

// request asks for the connections of a family.
func request(family byte, port uint16, in states, idle bool) []byte {
	text := make([]byte, requestSize)
	native := binary.NativeEndian
	native.PutUint32(text[0:], requestSize)
	native.PutUint16(text[4:], sockDiagByFamily)
	native.PutUint16(text[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	body := text[16:]
	body[0], body[1] = family, unix.IPPROTO_TCP
	if idle {
		body[2] = 1 << (infoAttribute - 1)
	}
	mask := uint32(0)
	for _, state := range in {
		mask |= 1 << state
	}
	native.PutUint32(body[4:], mask)
	binary.BigEndian.PutUint16(body[8:], port)
	return text
}

// part reads one part of an answer.
func part(text []byte, each func(Conn)) (done bool, err error) {
	native := binary.NativeEndian
	for len(text) >= unix.SizeofNlMsghdr {
		size := int(native.Uint32(text))
		if size < unix.SizeofNlMsghdr || size > len(text) {
			return false, errShort
		}
		body := text[unix.SizeofNlMsghdr:size]
		switch native.Uint16(text[4:]) {
		case unix.NLMSG_DONE:
			return true, nil
		case unix.NLMSG_ERROR:
			if len(body) < 4 {
				return false, errShort
			}
			return false, unix.Errno(-int32(native.Uint32(body)))
		case sockDiagByFamily:
			if len(body) < replySize {
				return false, errShort
			}
			each(connection(body))
		}
		text = text[min(align(size), len(text)):]
	}
	return false, nil
}

func connection(body []byte) Conn {
	length := 4
	if body[0] == unix.AF_INET6 {
		length = 16
	}
	big := binary.BigEndian
	c := Conn{
		Local:  address(body[8:8+length], big.Uint16(body[4:])),
		Peer:   address(body[24:24+length], big.Uint16(body[6:])),
		Cookie: binary.NativeEndian.Uint64(body[44:]),
		Idle:   -1,
		Closed: closed(body[1], time.Duration(binary.NativeEndian.Uint32(body[52:]))*time.Millisecond),
	}
	for rest := body[replySize:]; len(rest) >= unix.SizeofRtAttr; {
		size, kind := int(binary.NativeEndian.Uint16(rest)), binary.NativeEndian.Uint16(rest[2:])
		if size < unix.SizeofRtAttr || size > len(rest) {
			break
		}
		if info := rest[unix.SizeofRtAttr:size]; kind == infoAttribute && len(info) >= lastDataReceived+4 {
			ms := min(binary.NativeEndian.Uint32(info[lastDataSent:]), binary.NativeEndian.Uint32(info[lastDataReceived:]))
			c.Idle = time.Duration(ms) * time.Millisecond
		}
		rest = rest[min(align(size), len(rest)):]
	}
	return c
}

// align rounds up to what netlink(7) aligns messages and attributes to.
func align(n int) int { return (n + 3) &^ 3 }
