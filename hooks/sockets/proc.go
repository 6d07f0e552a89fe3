package sockets

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
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
		fields := strings.Fields(lines.Text())
		if len(fields) < 6 {
			continue
		}
		state, err := strconv.ParseUint(fields[3], 16, 8)
		if err != nil || !slices.Contains(in, byte(state)) {
			continue
		}
		_, timer, _ := strings.Cut(fields[5], ":")
		left, _ := strconv.ParseUint(timer, 16, 32) // of USER_HZ, 100 per second
		local, okLocal := hexAddress(fields[1])
		peer, okPeer := hexAddress(fields[2])
		if okLocal && okPeer {
			each(Conn{Local: local, Peer: peer, Idle: -1, Closed: closed(byte(state), time.Duration(left)*10*time.Millisecond)})
		}
	}
	return lines.Err()
}

// hexAddress reads ADDRESS:PORT. The address is made of numbers of 32 bits in the byte
// order of the processor.
func hexAddress(text string) (netip.AddrPort, bool) {
	host, port, _ := strings.Cut(text, ":")
	raw, err := hex.DecodeString(host)
	n, portErr := strconv.ParseUint(port, 16, 16)
	if err != nil || portErr != nil || len(raw) != 4 && len(raw) != 16 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	return address(raw, uint16(n)), true
}
