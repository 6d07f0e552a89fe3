package inject

import (
	"fmt"
	"slices"

	"github.com/podhook/podhook/cmd/kubectl-podhook/manifest"
)

// writePolicy adds the NetworkPolicy that --network-policy asks for. It closes the
// sidecar's port to all but the Pod's own node, which a NetworkPolicy always lets in:
// kubelet. Policies add up, so in a namespace that closes ports it would open them; that
// is why it is not printed without the flag.
func (p *podhook) writePolicy(e *editor, port int) error {
	name := p.document.Name + configMapSuffix
	there := func(d manifest.Document) bool {
		return d.NetworkPolicy != nil && d.Name == name && d.Namespace == p.document.Namespace
	}
	switch {
	case slices.ContainsFunc(p.all, there):
		return nil
	case !p.networkPolicy && p.sidecar() != nil: // said when it was added
		return nil
	case !p.networkPolicy:
		p.note("everybody on the pod network can call hooks at port %d: --network-policy closes it, where the namespace has no policies of its own; see agent/README.md, who may do what", port)
		return nil
	case len(p.pod.Labels) == 0:
		return p.wrong("", "a NetworkPolicy needs labels of the Pod, and it has none")
	}
	labels, err := marshal(p.pod.Labels)
	if err != nil {
		return err
	}
	head, err := documentHead("networking.k8s.io/v1", "NetworkPolicy", name, p.document.Namespace)
	e.addDocument(p.document.Line, fmt.Sprintf(`%sspec:
  podSelector:
    matchLabels:
%s  policyTypes: [Ingress]
  ingress:
  - ports:
    - {protocol: TCP, port: 1, endPort: %d}
    - {protocol: TCP, port: %d, endPort: 65535}
    - {protocol: UDP, port: 1, endPort: 65535}
`, head, indented(labels, 6), port-1, port+1))
	return err
}
