// Package local is a container runtime made of local processes. Where it may,
// each container gets its own PID and mount namespace (as root, or in a user
// namespace), so that the death of its first process is the death of all;
// where it may not, containers are sessions whose processes are found by a
// variable in their environment.
//
// All containers share the machine's network and root file system. The pod's
// address is one of the loopback network that is not 127.0.0.1, so that an
// agent that listens on 127.0.0.1 is refused as in a pod.
package local
