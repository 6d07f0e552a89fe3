// Package kubelet plays kubelet in the life of a pod. It starts containers, calls
// postStart and preStop, probes, and sends SIGTERM and SIGKILL when kubelet v1.34 would.
// A Runtime carries that out.
//
// The rules were observed on a real node (deploy/kubernetes/kubelet.md), or follow the
// source of kubelet. Time is not sped up.
package kubelet
