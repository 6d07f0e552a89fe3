// Package mainprocess is the container's main process as hooks see it: a Child where
// podhook run has started it, a Finder where another program has. A Finder finds the
// process, signals it and waits for its exit through a pidfd, so that it never signals
// another process that has got the same PID.
//
// Where there are no pidfds (Linux before 5.3, or a seccomp profile that refuses
// pidfd_open), the start time of the process is compared right before each kill(2), and
// its exit is polled for. That is weaker: another process that gets the PID between the
// comparison and the kill, or that has started in the same clock tick (10 ms), would be
// signalled.
package mainprocess
