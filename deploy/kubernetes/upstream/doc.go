// Package upstream proves podhook with Kubernetes' own code: kubelet's calls its hooks, and
// the API server's validates the admission policies and what they make of Pods.
package upstream
