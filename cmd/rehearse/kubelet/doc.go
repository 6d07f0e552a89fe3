// Package kubelet plays kubelet's part in a pod's life: it starts containers,
// calls postStart and preStop, probes, and sends SIGTERM and SIGKILL when
// kubelet v1.34 would. It decides when and why; a Runtime does it.
//
// The rules are those that were observed on a real node (the project's
// deploy/kubernetes/kubelet.md), and where that is silent those of kubelet's source.
// Seconds are real seconds: nothing is sped up.
package kubelet
