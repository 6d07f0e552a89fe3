// Package docker runs the containers of a rehearsed pod on a Docker engine,
// through its command line. As in Kubernetes a pause container holds the pod's
// network, its /dev/shm and, where it is shared, its PID namespace, so that they
// outlive each container's restarts; hooks and probes reach the pod at its
// address on the engine's bridge and come from that of the bridge.
//
// What the engine does otherwise than containerd under kubelet: it does not tell
// by which signal a process died (128+n is all there is).
package docker
