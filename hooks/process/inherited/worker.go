package inherited

import "syscall"

// Written by guard, before Go's runtime runs.
var (
	worker int  // the socket to the guard of this process, 0 where it has none
	died   bool // this process was the guard of a child that has died
	death  uint32
)

// StopSignals are the signals that ask a command to stop. A guard gives them to its child.
const StopSignals = Signals(1<<(syscall.SIGTERM-1) | 1<<(syscall.SIGINT-1) | 1<<(syscall.SIGHUP-1) | 1<<(syscall.SIGQUIT-1))

// The messages to a guard, by their size.
const (
	markSize    = 1 // any byte, with a descriptor that the guard keeps open until its end
	verdictSize = 2 // the exit code, and whether the child stays
)

// Worker returns the socket (unix(7), SOCK_SEQPACKET) to the guard of this process. Each
// message from it is the number of a stop signal. ok is false where there is no guard.
func Worker() (socket int, ok bool) { return worker, worker != 0 }

// Died returns the status of the child that this process has guarded until it died.
func Died() (status syscall.WaitStatus, ok bool) { return syscall.WaitStatus(death), died }
