package agent

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"

	"github.com/podhook/podhook/agent/access"
	"github.com/podhook/podhook/agent/door"
	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/hooks/config"
)

// NewAccess reads who may do what from the settings.
func NewAccess(s *settings.Settings, logger *slog.Logger) (*access.Access, error) {
	return access.New(access.Options{
		Token: string(s.Token), TokenFile: string(s.TokenFile),
		Networks: s.AllowFrom.Prefixes, Gateway: s.AllowFrom.Gateway,
		ClientCertificates: s.TLSClientCAFile != "", Logger: logger,
	})
}

// TLSOf returns how the agent encrypts. Its other address does too.
func TLSOf(s *settings.Settings, logger *slog.Logger) door.TLS {
	return door.TLS{
		CertFile: string(s.TLSCertFile), KeyFile: string(s.TLSKeyFile), SelfSigned: s.TLS == settings.SelfSigned,
		ClientCAFile: string(s.TLSClientCAFile), Logger: logger,
	}
}

// Doors are the listeners of an agent. Each may be nil.
type Doors struct {
	// Main answers everything, Metrics probes, metrics and status alone.
	Main, Metrics net.Listener
}

// Close closes the listeners.
func (d Doors) Close() {
	for _, listener := range []net.Listener{d.Main, d.Metrics} {
		if listener != nil {
			_ = listener.Close() // the process ends, or nothing was accepted
		}
	}
}

// OpenDoors listens at the addresses, of which each may be empty. The error is a
// config.Problem.
func OpenDoors(s *settings.Settings, logger *slog.Logger, main, metrics string) (d Doors, err error) {
	var secure *tls.Config
	if t := TLSOf(s, logger); t.On() {
		if secure, err = t.Config(); err != nil {
			return Doors{}, err
		}
	}
	open := func(setting, address string) (net.Listener, error) {
		if address == "" {
			return nil, nil
		}
		encryption := secure
		if network, _ := door.Split(address); network == "unix" {
			encryption = nil
		}
		listener, err := door.Listen(address, int(s.MaxConnections), encryption)
		if err != nil {
			return nil, config.Problem{Field: setting, Value: address, Msg: err.Error()}
		}
		return listener, nil
	}
	if d.Main, err = open("PODHOOK_LISTEN", main); err != nil {
		return Doors{}, err
	}
	if d.Metrics, err = open("PODHOOK_METRICS_LISTEN", metrics); err != nil {
		d.Close()
		return Doors{}, err
	}
	return d, nil
}

// open reports whether everybody who reaches the main listener may run hooks.
func (a *Agent) open(d Doors) bool {
	if d.Main == nil || !a.Access.Open() {
		return false
	}
	tcp, ok := d.Main.Addr().(*net.TCPAddr)
	return ok && !tcp.IP.IsLoopback()
}

// announce logs where the agent listens, and who may call it.
func (a *Agent) announce(d Doors) {
	a.accessOpen.Store(a.open(d))
	if a.accessOpen.Load() {
		a.Logger.Warn("everybody who reaches this address can run hooks", "address", d.Main.Addr().String(),
			"instead", "PODHOOK_TOKEN_FILE, PODHOOK_ALLOW_FROM, or a NetworkPolicy that lets only the node in")
	}
	if a.Settings.Token != "" {
		a.Logger.Warn("PODHOOK_TOKEN is in the environment of the main process, and in the pod's manifest", "instead", "PODHOOK_TOKEN_FILE")
	}
	attrs := []any{"version", a.Version, "instance", a.Store.Instance().ID, "state", a.Store.Dir()}
	if networks := a.Access.Networks(); len(networks) > 0 {
		attrs = append(attrs, "allowed_from", fmt.Sprint(networks))
	}
	if d.Metrics != nil {
		attrs = append([]any{"metrics_address", d.Metrics.Addr().String()}, attrs...)
	}
	if d.Main != nil {
		attrs = append([]any{"address", d.Main.Addr().String()}, attrs...)
	}
	a.Logger.Info("agent listens", attrs...)
}
