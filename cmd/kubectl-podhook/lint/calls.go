package lint

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/podhook/podhook/agent"
	"github.com/podhook/podhook/hooks/config"
)

// call is a request that kubelet sends to a container.
type call struct {
	*corev1.HTTPGetAction
	c *container
	// where is lifecycle.postStart, lifecycle.preStop or a probe.
	where string
	// port is 0 if its name is not one of the container's.
	port int
	// toPod says that the request goes to this pod and not to another host.
	toPod bool
}

func (k call) isHook() bool { return strings.HasPrefix(k.where, "lifecycle.") }

func (k call) at(fields ...string) []string {
	return k.c.at(append(append(strings.Split(k.where, "."), "httpGet"), fields...)...)
}

// path returns the path without its query.
func (k call) path() string {
	p, _, _ := strings.Cut(k.Path, "?")
	if p == "" {
		return "/" // the API server's default
	}
	return p
}

func (k call) https() bool { return k.Scheme == corev1.URISchemeHTTPS }

// header returns the value of a header of the request.
func (k call) header(name string) (value string, has bool) {
	for _, h := range k.HTTPHeaders {
		if strings.EqualFold(h.Name, name) {
			return h.Value, true
		}
	}
	return "", false
}

// calls returns the requests of all hooks and probes, in the order of their names.
func (p *pod) calls() (list []call) {
	for _, c := range p.containers {
		add := func(where string, get *corev1.HTTPGetAction) {
			if get == nil {
				return
			}
			list = append(list, call{HTTPGetAction: get, c: c, where: where, port: c.portNumber(get.Port),
				toPod: get.Host == "" || p.Spec.HostNetwork && isLoopback(get.Host)})
		}
		for _, name := range []string{"postStart", "preStop"} {
			if h := c.handlers()[name]; h != nil {
				add("lifecycle."+name, h.HTTPGet)
			}
		}
		for _, name := range []string{"startupProbe", "readinessProbe", "livenessProbe"} {
			if probe := c.probes()[name]; probe != nil {
				add(name, probe.HTTPGet)
			}
		}
	}
	return list
}

// hookCalls returns the requests of hooks.
func (p *pod) hookCalls() []call {
	return slices.DeleteFunc(p.calls(), func(k call) bool { return !k.isHook() })
}

// portNumber returns the number of a port. kubelet looks its name up in the same container.
func (c *container) portNumber(port intstr.IntOrString) int {
	if port.Type == intstr.Int {
		return port.IntValue()
	}
	for _, known := range c.Ports {
		if known.Name == port.StrVal {
			return int(known.ContainerPort)
		}
	}
	return 0
}

func (c *container) declares(port int) bool {
	return slices.ContainsFunc(c.Ports, func(known corev1.ContainerPort) bool { return int(known.ContainerPort) == port })
}

func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// listener is an address of podhook's agent.
type listener struct {
	c       *container
	setting string
	host    string
	port    int
	acts    bool // hooks can be called there
	tls     bool
}

// listeners returns where the agents of the pod listen with TCP.
func (p *pod) listeners() (list []listener) {
	for _, c := range p.containers {
		if !c.hasHooks() || c.runs() != "serve" && !c.mayRun() {
			continue
		}
		main := string(c.settings.Listen)
		if main == "" && c.runs() == "serve" {
			main = ":8080" // the default of serve
		}
		for _, l := range []listener{{setting: "PODHOOK_LISTEN", host: main, acts: true}, {setting: "PODHOOK_METRICS_LISTEN", host: string(c.settings.MetricsListen)}} {
			host, port, err := net.SplitHostPort(l.host)
			if err != nil {
				continue // none, or a Unix socket
			}
			l.c, l.host = c, host
			l.port, _ = strconv.Atoi(port)
			l.tls = agent.TLSOf(c.settings, nil).On()
			list = append(list, l)
		}
	}
	return list
}

// listener returns the address of an agent that a request goes to.
func (p *pod) listener(k call) (l listener, is bool) {
	if !k.toPod {
		return l, false
	}
	for _, l := range p.listeners() {
		if l.port == k.port {
			return l, true
		}
	}
	return l, false
}

// hookPaths are the paths that call built-in hooks of podhook.
func hookPaths() []string { return []string{"/" + config.Prestart, "/" + config.Shutdown} }

// isPodhookPath reports whether a path is one of a hook of the pod.
func (p *pod) isPodhookPath(path string) bool {
	return slices.Contains(hookPaths(), path) || slices.ContainsFunc(p.containers, func(c *container) bool {
		return c.hooks != nil && agent.Answers(path, c.hooks, true) && !agent.Answers(path, c.hooks, false)
	})
}
