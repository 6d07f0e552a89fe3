package config

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Connections holds while at most AtMost established TCP connections have one of the local
// ports.
type Connections struct {
	Ports  []uint16
	AtMost int
	// Loopback also counts connections from the pod itself.
	Loopback bool
	// Ignore are the networks whose connections do not count.
	Ignore []netip.Prefix
	// IdleFor leaves out connections on which nothing was sent or received for that long;
	// 0 counts all.
	IdleFor time.Duration
}

func (c Connections) String() string { return "connections to port " + c.ports() }

func (c Connections) ports() string {
	ports := make([]string, len(c.Ports))
	for i, port := range c.Ports {
		ports[i] = strconv.Itoa(int(port))
	}
	return strings.Join(ports, ", ")
}

func (Connections) endpoint() *Endpoint { return nil }

// Quiet holds when no new TCP connection to one of the local ports has come for some time:
// nobody sends the container new requests any more.
type Quiet struct {
	Ports []uint16
	// For is how long no connection may have come.
	For time.Duration
	// AtLeast is the shortest time of the whole wait.
	AtLeast time.Duration
	// Loopback also counts connections from the pod itself.
	Loopback bool
	// Ignore are the networks whose connections do not count, such as those of probes.
	Ignore []netip.Prefix
}

func (c Quiet) String() string {
	return "quiet at port " + Connections{Ports: c.Ports}.ports()
}

func (Quiet) endpoint() *Endpoint { return nil }

// Ports returns the local ports whose connections the wait looks at.
func (a Wait) Ports() []uint16 {
	switch c := a.For.(type) {
	case Connections:
		return c.Ports
	case Quiet:
		return c.Ports
	}
	return nil
}

// The defaults of Quiet. A connection that comes and ends between two looks can be missed.
const (
	QuietFor      = 3 * time.Second
	QuietInterval = 100 * time.Millisecond
)

const (
	networkRule = "a network such as 10.0.0.0/8 or fd00::/8, or an address"
	portRule    = "a port, a number from 1 to 65535"
	maxPorts    = 100
)

// ParsePort parses a port.
func ParsePort(text string) (uint16, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q: allowed is %s", text, portRule)
	}
	return uint16(n), nil
}

// ParseNetwork parses a network or an address. An IPv4-mapped one is IPv4.
func ParseNetwork(text string) (netip.Prefix, error) {
	network, err := netip.ParsePrefix(text)
	if address, failed := netip.ParseAddr(text); failed == nil && address.Zone() == "" {
		network, err = netip.PrefixFrom(address, address.BitLen()), nil
	}
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q: allowed is %s", text, networkRule)
	}
	if network.Addr().Is4In6() && network.Bits() >= 96 {
		network = netip.PrefixFrom(network.Addr().Unmap(), network.Bits()-96)
	}
	return network.Masked(), nil
}

func (d *decoder) connections(v value) Connections {
	before := d.found()
	var c Connections
	d.fields(v, "a mapping such as {port: 8080, atMost: 0}", append(d.peers(&c.Ports, &c.Loopback, &c.Ignore),
		field{"atMost", func(v value) { c.AtMost = d.number(v, 0, 1_000_000) }},
		field{"idleFor", func(v value) { c.IdleFor = d.duration(v) }},
	))
	d.checkPorts(v, before, c.Ports)
	return c
}

func (d *decoder) quiet(v value) Quiet {
	before, c := d.found(), Quiet{For: QuietFor}
	d.fields(v, "a mapping such as {port: 8080, for: 3s}", append(d.peers(&c.Ports, &c.Loopback, &c.Ignore),
		field{"for", func(v value) { c.For = d.duration(v) }},
		field{"atLeast", func(v value) { c.AtLeast = d.duration(v) }},
	))
	d.checkPorts(v, before, c.Ports)
	return c
}

// peers returns the fields that say which connections are looked at.
func (d *decoder) peers(ports *[]uint16, loopback *bool, ignore *[]netip.Prefix) []field {
	return []field{
		{"port", func(v value) { *ports = append(*ports, d.port(v)) }},
		{"ports", func(v value) {
			for _, item := range d.items(v, "a list of ports, such as [8080, 8443]") {
				*ports = append(*ports, d.port(item))
			}
		}},
		{"loopback", func(v value) { *loopback = d.boolean(v) }},
		{"ignore", func(v value) {
			for _, item := range d.items(v, "a list of networks, such as [10.0.0.0/8]") {
				*ignore = append(*ignore, d.network(item))
			}
		}},
	}
}

// checkPorts checks the number of ports. before is what was found wrong before they were
// read.
func (d *decoder) checkPorts(v value, before int, ports []uint16) {
	switch {
	case d.found() > before:
	case len(ports) == 0:
		d.wrong(v, "has no port; write port: 8080, where the application listens")
	case len(ports) > maxPorts:
		d.wrong(v, fmt.Sprintf("has %d ports; %d are allowed", len(ports), maxPorts))
	}
}

func (d *decoder) port(v value) uint16 {
	text, ok := d.text(v, portRule)
	if !ok {
		return 0
	}
	port, err := ParsePort(text)
	if err != nil {
		d.refuse(v, portRule)
	}
	return port
}

func (d *decoder) network(v value) netip.Prefix {
	text, ok := d.text(v, networkRule)
	if !ok {
		return netip.Prefix{}
	}
	network, err := ParseNetwork(text)
	if err != nil {
		d.refuse(v, networkRule)
	}
	return network
}
