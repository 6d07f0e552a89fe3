// Package mainprocess finds a container's main process where podhook did not
// start it, and signals it and waits for its exit through a pidfd, so that a
// recycled PID is never signalled.
package mainprocess
