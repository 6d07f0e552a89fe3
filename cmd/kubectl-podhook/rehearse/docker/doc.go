// Package docker runs the containers of a rehearsed pod on a Docker engine, through its
// command line. As in Kubernetes, a pause container holds the network, the /dev/shm and a
// shared PID namespace of the pod, so that they outlive restarts. Hooks and probes go from
// the address of the bridge to that of the pod.
//
// Unlike containerd, the engine does not report the signal that killed a process, but only
// the exit code 128+n.
package docker
