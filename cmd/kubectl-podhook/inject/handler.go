package inject

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// mistake is what keeps a container from getting podhook, at a field of it.
type mistake struct{ field, message string }

func (m *mistake) Error() string { return m.field + ": " + m.message }

// stepOf turns a handler into a step that does the same. It returns nil for a sleep of 0.
func (p *podhook) stepOf(field string, h *corev1.LifecycleHandler) (*step, error) {
	var kinds []string
	for _, kind := range []struct {
		name string
		set  bool
	}{{"exec", h.Exec != nil}, {"httpGet", h.HTTPGet != nil}, {"sleep", h.Sleep != nil}, {"tcpSocket", h.TCPSocket != nil}} {
		if kind.set {
			kinds = append(kinds, kind.name)
		}
	}
	switch {
	case len(kinds) != 1:
		return nil, &mistake{field, fmt.Sprintf("it has %d handlers (%s), Kubernetes takes one", len(kinds), strings.Join(kinds, ", "))}
	case h.TCPSocket != nil:
		return nil, &mistake{field + ".tcpSocket", "Kubernetes does not run it, so it cannot be kept: take it out"}
	case h.Exec != nil && len(h.Exec.Command) == 0:
		return nil, &mistake{field + ".exec", "it has no command"}
	case h.Exec != nil && p.way == waySidecar:
		return nil, &mistake{field + ".exec", "a sidecar cannot run the programs of another container: use --way init or volume"}
	case h.Exec != nil:
		return &step{Exec: escaped(h.Exec.Command)}, nil
	case h.Sleep != nil && h.Sleep.Seconds <= 0:
		return nil, nil
	case h.Sleep != nil:
		return &step{Sleep: short(seconds(h.Sleep.Seconds))}, nil
	}
	request, err := p.request(field+".httpGet", h.HTTPGet)
	if err != nil {
		return nil, err
	}
	if p.podIP() != "" && h.HTTPGet.Host == "" {
		p.note("%s.httpGet: the step asks 127.0.0.1; the application must not listen on %s alone", field, p.podIP())
	}
	p.note("%s.httpGet: kubelet takes every answer for success; the step fails without a status of 2xx", field)
	return &step{HTTP: request}, nil
}

// request is what kubelet would send, sent from inside of the pod.
func (p *podhook) request(field string, get *corev1.HTTPGetAction) (*request, error) {
	port, err := p.port(field, get.Port)
	if err != nil {
		return nil, err
	}
	host := get.Host
	switch {
	case host == "":
		host = "127.0.0.1" // kubelet's default is the pod's address
	case (host == "localhost" || strings.HasPrefix(host, "127.")) && !p.pod.Spec.HostNetwork:
		return nil, &mistake{field + ".host", strconv.Quote(host) + " is the node's own for kubelet, which a step in the pod does not reach: leave it out for the pod"}
	}
	r := &request{}
	scheme := strings.ToLower(string(get.Scheme))
	if scheme == "" {
		scheme = "http"
	}
	r.InsecureSkipVerify = scheme == "https" // as kubelet does
	path := get.Path
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	r.URL = escape(scheme + "://" + net.JoinHostPort(host, strconv.Itoa(port)) + path)
	for _, h := range get.HTTPHeaders {
		if r.Headers[h.Name] != "" {
			return nil, &mistake{field + ".httpHeaders", h.Name + " is there twice: a step sends each header once"}
		}
		if r.Headers == nil {
			r.Headers = map[string]string{}
		}
		r.Headers[h.Name] = escape(h.Value)
	}
	return r, nil
}

// port is the number of a port, which may be the name of one of the container's.
func (p *podhook) port(field string, port intstr.IntOrString) (int, error) {
	if port.Type == intstr.Int && port.IntVal > 0 {
		return int(port.IntVal), nil
	}
	if n, err := strconv.Atoi(port.StrVal); err == nil && n > 0 {
		return n, nil
	}
	for _, declared := range p.container.Ports {
		if declared.Name == port.StrVal && port.StrVal != "" {
			return int(declared.ContainerPort), nil
		}
	}
	return 0, &mistake{field + ".port", fmt.Sprintf("the container declares no port %q", port.String())}
}

func seconds(n int64) time.Duration { return time.Duration(n) * time.Second }

// escape writes $ so that podhook does not replace variables, which kubelet does not do in
// handlers either. A text in which podhook would replace nothing stays as it is.
func escape(text string) string {
	if strings.Contains(text, "${") || strings.Contains(text, "$$") {
		return strings.ReplaceAll(text, "$", "$$")
	}
	return text
}

func escaped(words []string) argv {
	list := make(argv, len(words))
	for i, word := range words {
		list[i] = escape(word)
	}
	return list
}
