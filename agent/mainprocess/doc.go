// Package mainprocess finds a container's main process where podhook did not
// start it, and signals it and waits for its exit through a pidfd, so that a
// recycled PID is never signalled.
//
// Where there are no pidfds (Linux before 5.3, or a seccomp profile that
// refuses pidfd_open), the start time of the process is compared immediately
// before each kill(2) instead, and its exit is polled for. That is weaker: a
// PID that is recycled between the comparison and the kill, or within the same
// clock tick (10 ms) as its first process started, would be signalled.
package mainprocess
