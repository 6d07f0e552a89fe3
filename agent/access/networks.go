package access

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"strings"
)

// Gateway is the word of PODHOOK_ALLOW_FROM for the next hop of the default routes.
const Gateway = "gateway"

// ParseNetworks reads networks, addresses and the word gateway, with commas between
// them.
func ParseNetworks(text string) (networks []netip.Prefix, gateway bool, err error) {
	for entry := range strings.SplitSeq(text, ",") {
		entry = strings.TrimSpace(entry)
		if entry == Gateway {
			gateway = true
			continue
		}
		network, err := parseNetwork(entry)
		if err != nil && entry != text { // the whole text is shown anyway
			err = fmt.Errorf("%.50q: %w", entry, err)
		}
		if err != nil {
			return nil, false, err
		}
		networks = append(networks, network)
	}
	return networks, gateway, nil
}

func parseNetwork(text string) (netip.Prefix, error) {
	if address, err := netip.ParseAddr(text); err == nil && address.Zone() == "" {
		return single(address), nil
	}
	network, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("a network such as 10.0.0.0/8 or fd00::/8, an address or gateway is needed")
	}
	if network != network.Masked() {
		return netip.Prefix{}, fmt.Errorf("did you mean the network %s or the address %s?", network.Masked(), network.Addr())
	}
	if network.Addr().Is4In6() && network.Bits() >= 96 {
		network = netip.PrefixFrom(network.Addr().Unmap(), network.Bits()-96)
	}
	return network, nil
}

func single(address netip.Addr) netip.Prefix {
	address = address.Unmap()
	return netip.PrefixFrom(address, address.BitLen())
}

// gateways returns the next hops of the default routes. kubelet's address is that of the
// node on the pod network, which is this one with bridge CNI plugins
// (deploy/kubernetes/kubelet.md).
func gateways(proc string) ([]netip.Prefix, error) {
	const up, viaGateway = 0x1, 0x2 // RTF_UP and RTF_GATEWAY of linux/route.h
	var found []netip.Prefix
	for _, table := range []struct {
		file                    string
		destination, hop, flags int
	}{{"route", 1, 2, 3}, {"ipv6_route", 0, 4, 8}} {
		err := eachLine(proc+"/"+table.file, func(fields []string) {
			var flags uint32
			if len(fields) <= table.flags || strings.Trim(fields[table.destination], "0") != "" {
				return
			}
			if _, err := fmt.Sscanf(fields[table.flags], "%x", &flags); err != nil || flags&up == 0 || flags&viaGateway == 0 {
				return
			}
			if hop, ok := hexAddress(fields[table.hop]); ok {
				found = append(found, single(hop))
			}
		})
		if err != nil && !os.IsNotExist(err) {
			return nil, err
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("there is no default route with a gateway: name the networks instead")
	}
	return found, nil
}

func eachLine(path string, do func(fields []string)) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		do(strings.Fields(lines.Text()))
	}
	return lines.Err()
}

// hexAddress reads an address as /proc/net/route has it, a number in the byte order of
// the processor, or as /proc/net/ipv6_route has it, in network order.
func hexAddress(text string) (netip.Addr, bool) {
	raw, err := hex.DecodeString(text)
	if err != nil {
		return netip.Addr{}, false
	}
	if len(raw) == 4 {
		var native [4]byte
		binary.NativeEndian.PutUint32(native[:], binary.BigEndian.Uint32(raw))
		return netip.AddrFrom4(native), true
	}
	return netip.AddrFromSlice(raw)
}
