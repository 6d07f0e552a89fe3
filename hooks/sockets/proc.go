package sockets

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"time"
)

// listed reads connections from the files tcp and tcp6 of a directory.
func listed(dir string, in states, each func(Conn)) error {
	if err := fromFile(dir+"/tcp", in, each); err != nil {
		return err
	}
	if err := fromFile(dir+"/tcp6", in, each); !errors.Is(err, fs.ErrNotExist) { // no IPv6
		return err
	}
	return nil
}

func fromFile(path string, in states, each func(Conn)) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if c, ok := parse(lines.Bytes(), in); ok {
			each(c)
		}
	}
	return lines.Err()
}

// parse reads a line, if it is about a connection that is in one of the states.
func parse(line []byte, in states) (c Conn, ok bool) {
	_, line = word(line)
	local, line := word(line)
	peer, line := word(line)
	inState, line := word(line)
	state, err := strconv.ParseUint(string(inState), 16, 8)
	if err != nil || !slices.Contains(in, byte(state)) {
		return Conn{}, false
	}
	_, line = word(line)
	timer, _ := word(line)
	_, timer, _ = bytes.Cut(timer, []byte(":"))
	left, _ := strconv.ParseUint(string(timer), 16, 32) // of USER_HZ, 100 per second
	c = Conn{Idle: -1, Closed: closed(byte(state), time.Duration(left)*10*time.Millisecond)}
	c.Local, ok = hexAddress(local)
	if ok {
		c.Peer, ok = hexAddress(peer)
	}
	return c, ok
}

// word returns the first word of a line, and what comes after it.
func word(line []byte) (first, rest []byte) {
	first, rest, _ = bytes.Cut(bytes.TrimLeft(line, " "), []byte(" "))
	return first, rest
}

// hexAddress reads ADDRESS:PORT. The address is made of numbers of 32 bits in the byte
// order of the processor.
func hexAddress(text []byte) (netip.AddrPort, bool) {
	const digits = 8 // of a number
	host, port, _ := bytes.Cut(text, []byte(":"))
	n, err := strconv.ParseUint(string(port), 16, 16)
	if err != nil || len(host) != digits && len(host) != 4*digits {
		return netip.AddrPort{}, false
	}
	var raw [16]byte
	for i := 0; i < len(host); i += digits {
		number, err := strconv.ParseUint(string(host[i:i+digits]), 16, 32)
		if err != nil {
			return netip.AddrPort{}, false
		}
		binary.NativeEndian.PutUint32(raw[i/2:], uint32(number))
	}
	return address(raw[:len(host)/2], uint16(n)), true
}
