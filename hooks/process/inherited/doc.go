// Package inherited knows what the kernel handed to this process before Go's
// runtime changed it, so that a child can be given exactly that.
//
// The runtime installs handlers for nearly all signals, unblocks some, raises
// the soft RLIMIT_NOFILE and opens /dev/null in the place of a closed stdin,
// stdout or stderr, all before any package is initialised, and keeps no record
// that a program can read. So the official build starts at podhook_start
// (go build -ldflags='-E podhook_start', see the Makefile), some 150
// instructions of assembly that ask the kernel and then jump to where Go
// programs start.
//
// GODEBUG, GOGC, GOMEMLIMIT, GOTRACEBACK and GOMAXPROCS are meant for the
// application, and Go's runtime ends the process for a value that it cannot read.
// So podhook_start gives the runtime a copy of the environment in which nothing
// starts with GO, but for a GOMAXPROCS of podhook's own: one that is set later
// does not save the memory.
//
// For `podhook run` they also see to it that no signal is lost before main: PID 1
// loses one for which it has no handler, but not one that is blocked
// (kernel/signal.c, sig_ignored). So all are blocked. Those that the runtime
// unblocks again get a handler that ends the process with 128+n, until package
// os/signal takes them: the runtime, where nobody asked for TERM, INT or HUP, calls
// the handler that was there before it (runtime.dieFromSignal) and exits with
// 2 where there was none.
//
// A build without that entry point works, and takes for inherited what it finds.
//
// This is the one package with state of its own and with an init function:
// there is one entry into a process, and it lies before main.
package inherited
