package settings

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/podhook/podhook/agent/access"
	"github.com/podhook/podhook/hooks/config"
)

// envconfig calls Decode of a type with the value of the variable. The error says what
// is allowed.

// Path is an absolute path, or empty if unset.
type Path string

// Decode refuses relative paths, because exec'd hooks and the agent can have different
// working directories.
func (p *Path) Decode(value string) error {
	if !filepath.IsAbs(value) || strings.ContainsRune(value, 0) {
		return fmt.Errorf("an absolute path is needed")
	}
	*p = Path(filepath.Clean(value))
	return nil
}

// Address is where to listen: "host:port", ":port" or "unix:PATH", or empty if unset.
type Address string

// maxSocket is the length of the longest path of a socket, in bytes (unix(7)).
const maxSocket = 107

// Decode accepts an IP address or localhost with a numeric port, and the absolute path of
// a socket.
func (a *Address) Decode(value string) error {
	if path, ok := strings.CutPrefix(value, "unix:"); ok {
		var p Path
		if err := p.Decode(path); err != nil || len(path) > maxSocket {
			return fmt.Errorf("unix: and an absolute path of at most %d bytes are needed, such as unix:/run/podhook.sock", maxSocket)
		}
		*a = "unix:" + Address(p)
		return nil
	}
	host, port, err := net.SplitHostPort(value)
	if err != nil {
		return fmt.Errorf("an address such as :8080, 127.0.0.1:8080 or unix:/run/podhook.sock is needed")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || (n == 0 && port != "0") {
		return fmt.Errorf("the port must be a number from 0 to 65535")
	}
	if host != "" && host != "localhost" && net.ParseIP(host) == nil {
		return fmt.Errorf("the host must be an IP address, localhost or empty")
	}
	*a = Address(value)
	return nil
}

// Secret is a token. Errors do not show it.
type Secret string

// Decode refuses what cannot be a token.
func (s *Secret) Decode(value string) error {
	*s = Secret(value)
	return access.CheckToken(value)
}

// Networks are where callers may come from.
type Networks struct {
	Prefixes []netip.Prefix
	Gateway  bool // the next hops of the default routes too
}

// Decode reads networks, addresses and gateway with commas between them.
func (n *Networks) Decode(value string) (err error) {
	n.Prefixes, n.Gateway, err = access.ParseNetworks(value)
	return err
}

// TLSMode says where the agent's certificate is from, or is empty.
type TLSMode string

// SelfSigned is the only mode.
const SelfSigned TLSMode = "self-signed"

// Decode accepts self-signed.
func (m *TLSMode) Decode(value string) error {
	if TLSMode(value) != SelfSigned {
		return fmt.Errorf("self-signed is needed; PODHOOK_TLS_CERT_FILE and PODHOOK_TLS_KEY_FILE name files")
	}
	*m = SelfSigned
	return nil
}

// Count is a whole number from 1 to 1000000.
type Count int

// Decode refuses 0, which would answer nobody.
func (c *Count) Decode(value string) error {
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > 1_000_000 {
		return fmt.Errorf("a whole number from 1 to 1000000 is needed")
	}
	*c = Count(n)
	return nil
}

// Bytes is a size in bytes, written as a number with an optional KiB or MiB.
type Bytes int

// Decode accepts 1024 bytes to 64 MiB.
func (b *Bytes) Decode(value string) error {
	digits, unit := value, int64(1)
	if rest, ok := strings.CutSuffix(value, "KiB"); ok {
		digits, unit = rest, 1<<10
	} else if rest, ok := strings.CutSuffix(value, "MiB"); ok {
		digits, unit = rest, 1<<20
	}
	n, err := strconv.ParseInt(digits, 10, 32)
	if err != nil || n*unit < 1<<10 || n*unit > 64<<20 {
		return fmt.Errorf("a size from 1KiB to 64MiB is needed, such as 65536 or 64KiB")
	}
	*b = Bytes(n * unit)
	return nil
}

// FailureMode says how a failed hook is reported to kubelet.
type FailureMode string

// The failure modes. Abort is the default, because kubelet ignores the status of an
// answer (deploy/kubernetes/kubelet.md).
const (
	Abort  FailureMode = "abort"
	Status FailureMode = "status"
)

// Decode accepts abort and status.
func (m *FailureMode) Decode(value string) error {
	return choose(m, value, Abort, Status)
}

// Events says which runs become Events of the Pod, or is empty for none.
type Events string

// The runs that become Events.
const (
	FailureEvents Events = "failures"
	AllEvents     Events = "all"
)

// Decode accepts failures and all.
func (e *Events) Decode(value string) error {
	return choose(e, value, FailureEvents, AllEvents)
}

// LogFormat is the form of the container's log.
type LogFormat string

// The log formats.
const (
	Text   LogFormat = "text" // for people
	Logfmt LogFormat = "logfmt"
	JSON   LogFormat = "json"
)

// Decode accepts text, logfmt and json.
func (f *LogFormat) Decode(value string) error {
	return choose(f, value, Text, Logfmt, JSON)
}

func choose[T ~string](target *T, value string, allowed ...T) error {
	names := make([]string, len(allowed))
	for i, a := range allowed {
		if T(value) == a {
			*target = a
			return nil
		}
		names[i] = string(a)
	}
	return fmt.Errorf("allowed are %s", strings.Join(names[:len(names)-1], ", ")+" and "+names[len(names)-1])
}

// Signals is a list of signals.
type Signals []syscall.Signal

// Decode reads names or numbers with commas between them.
func (s *Signals) Decode(value string) error {
	var list Signals
	for _, name := range strings.Split(value, ",") {
		sig, err := config.ParseSignal(strings.TrimSpace(name))
		if err != nil {
			return err
		}
		if sig == syscall.SIGKILL || sig == syscall.SIGSTOP || sig == syscall.SIGCHLD {
			return fmt.Errorf("%s cannot be forwarded", name)
		}
		list = append(list, sig)
	}
	*s = list
	return nil
}

// Signal is one signal, or 0 if unset.
type Signal syscall.Signal

// Decode reads a name or a number.
func (s *Signal) Decode(value string) error {
	var list Signals
	if err := list.Decode(value); err != nil {
		return err
	}
	if len(list) != 1 {
		return fmt.Errorf("one signal is needed, such as QUIT")
	}
	*s = Signal(list[0])
	return nil
}
