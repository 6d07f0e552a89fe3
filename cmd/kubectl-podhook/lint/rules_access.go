package lint

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// openHooks finds agents whose hooks everybody on the pod network can run.
func openHooks(p *pod) (list []finding) {
	for _, l := range p.listeners() {
		s := l.c.settings
		limited := s.Token != "" || s.TokenFile != "" || s.TLSClientCAFile != "" || len(s.AllowFrom.Prefixes) > 0 || s.AllowFrom.Gateway
		for _, name := range []string{"PODHOOK_TOKEN", "PODHOOK_TOKEN_FILE", "PODHOOK_ALLOW_FROM", "PODHOOK_TLS_CLIENT_CA_FILE"} {
			limited = limited || !l.c.knows(name)
		}
		if !l.acts || limited || isLoopback(l.host) || !p.reachable(l.port) {
			continue
		}
		list = append(list, found(l.c.at("env", l.setting), "", fmt.Sprintf(
			"everybody who reaches port %d can run the hooks: set PODHOOK_TOKEN_FILE or PODHOOK_ALLOW_FROM, or add a NetworkPolicy that does not allow the port", l.port)))
	}
	return list
}

// reachable reports whether every other pod reaches a TCP port, by the policies of the input.
// kubelet always does: a policy lets the pod's own node in.
func (p *pod) reachable(port int) bool {
	if p.Spec.HostNetwork {
		return true // policies are not for the node's network
	}
	selected := false
	for _, policy := range p.policies {
		selector, err := metav1.LabelSelectorAsSelector(&policy.Spec.PodSelector)
		if err != nil || !selector.Matches(labels.Set(p.Labels)) {
			continue
		}
		// Ingress is what a policy without types is about.
		if types := policy.Spec.PolicyTypes; len(types) > 0 && !slices.Contains(types, networkingv1.PolicyTypeIngress) {
			continue
		}
		selected = true
		if slices.ContainsFunc(policy.Spec.Ingress, func(rule networkingv1.NetworkPolicyIngressRule) bool {
			return len(rule.From) == 0 && p.allows(rule.Ports, port)
		}) {
			return true
		}
	}
	return !selected
}

// allows reports whether a port is one of those of a policy, which are all if it names none.
func (p *pod) allows(open []networkingv1.NetworkPolicyPort, port int) bool {
	return len(open) == 0 || slices.ContainsFunc(open, func(o networkingv1.NetworkPolicyPort) bool {
		switch {
		case o.Protocol != nil && *o.Protocol != corev1.ProtocolTCP:
			return false
		case o.Port == nil:
			return true
		case o.Port.Type == intstr.String:
			return slices.ContainsFunc(p.containers, func(c *container) bool { return c.portNumber(*o.Port) == port })
		case o.EndPort != nil:
			return o.Port.IntValue() <= port && port <= int(*o.EndPort)
		}
		return o.Port.IntValue() == port
	})
}
