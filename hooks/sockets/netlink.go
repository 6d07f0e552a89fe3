package sockets

import (
	"encoding/binary"
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// The messages of sock_diag(7) and linux/inet_diag.h, which golang.org/x/sys does not have.
const (
	// getSockets is TCPDIAG_GETSOCK, the request that tells both families. Two requests of
	// SOCK_DIAG_BY_FAMILY would walk the kernel's table of connections twice, which is that
	// of the node: 7 ms for 262144 entries, without any connection.
	getSockets    = 18
	requestSize   = 16 + 60 // nlmsghdr and inet_diag_req
	replySize     = 72      // inet_diag_msg
	infoAttribute = 2       // INET_DIAG_INFO, a tcp_info
	established   = 1       // TCP_ESTABLISHED

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
	if err := unix.Sendto(fd, request(ports, in, idle), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	buffer := make([]byte, 32<<10) // as large as the kernel's parts are
	for {
		n, err := unix.Read(fd, buffer)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		if done, err := part(buffer[:n], each); done || err != nil {
			return err
		}
	}
}

// request asks for the connections of the ports.
func request(ports []uint16, in states, idle bool) []byte {
	text := make([]byte, requestSize)
	body := text[16:]
	if idle {
		body[3] = 1 << (infoAttribute - 1)
	}
	mask := uint32(0)
	for _, state := range in {
		mask |= 1 << state
	}
	native := binary.NativeEndian
	native.PutUint32(body[52:], mask)
	if len(ports) == 1 {
		binary.BigEndian.PutUint16(body[4:], ports[0])
	} else {
		text = append(text, filter(ports)...)
	}
	native.PutUint32(text[0:], uint32(len(text)))
	native.PutUint16(text[4:], getSockets)
	native.PutUint16(text[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	return text
}

// filter is the attribute INET_DIAG_REQ_BYTECODE, a program of inet_diag_bc_op. It accepts a
// connection by a jump to its end, and refuses it by a jump past that.
func filter(ports []uint16) []byte {
	const (
		attribute         = 1
		jump, least, most = 1, 2, 3 // INET_DIAG_BC_JMP, _S_GE, _S_LE
		operation         = 4
		each              = 5 * operation
	)
	text := make([]byte, unix.SizeofRtAttr, unix.SizeofRtAttr+each*len(ports))
	add := func(code, yes byte, no uint16) {
		text = binary.NativeEndian.AppendUint16(append(text, code, yes), no)
	}
	for i, port := range ports {
		left := uint16(each * (len(ports) - i - 1)) // after this port
		past := uint16(0)
		if left == 0 {
			past = operation
		}
		add(least, 2*operation, each+past)
		add(0, 0, port)
		add(most, 2*operation, each-2*operation+past)
		add(0, 0, port)
		add(jump, operation, operation+left)
	}
	binary.NativeEndian.PutUint16(text, uint16(len(text)))
	binary.NativeEndian.PutUint16(text[2:], attribute)
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
		case getSockets:
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
