// Package local is a container runtime of local processes. If it can, as root or in a
// user namespace, it gives each container its own PID and mount namespace, so that all
// processes die with the first one. Otherwise a container is a session, whose processes
// are found by a variable in their environment.
//
// All containers share the network and root file system of the machine. The address of
// the pod is a loopback address other than 127.0.0.1, so that requests to an agent that
// listens on 127.0.0.1 are refused as in a pod.
package local
