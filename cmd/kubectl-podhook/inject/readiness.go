package inject

import (
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// conditionOf turns a readiness probe into a condition of ready, so that podhook ready can
// take its place. It returns nil, and why, where the probe must stay as it is.
func (p *podhook) conditionOf(probe *corev1.Probe) (*condition, string) {
	switch {
	case probe.TimeoutSeconds > 1:
		return nil, "podhook ready looks for less than 1 s, and timeoutSeconds is " + strconv.Itoa(int(probe.TimeoutSeconds))
	case p.podIP() != "":
		return nil, "the application may listen on " + p.podIP() + " alone, and podhook ready asks 127.0.0.1"
	case probe.HTTPGet != nil:
		request, err := p.request("httpGet", probe.HTTPGet)
		if err != nil {
			return nil, err.Error()
		}
		request.Status = []string{"200-399"} // as of a probe of kubelet
		return &condition{HTTP: request}, ""
	case probe.TCPSocket != nil && probe.TCPSocket.Host == "":
		port, err := p.port("tcpSocket", probe.TCPSocket.Port)
		if err != nil {
			return nil, err.Error()
		}
		return &condition{TCP: "127.0.0.1:" + strconv.Itoa(port)}, ""
	}
	return nil, "podhook ready takes the place of httpGet, and of tcpSocket without a host"
}

// podIP is the variable with the pod's address that the container gets, "" if there is none.
func (p *podhook) podIP() string {
	for _, e := range p.container.Env {
		if from := e.ValueFrom; from != nil && from.FieldRef != nil && strings.HasPrefix(from.FieldRef.FieldPath, "status.podIP") {
			return e.Name
		}
	}
	return ""
}
