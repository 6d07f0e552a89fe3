// Package inherited records what this process got from the kernel before Go's runtime
// changed it, so that a child can get exactly that.
//
// The runtime installs handlers for nearly all signals, unblocks some, raises
// the soft RLIMIT_NOFILE and opens /dev/null in place of a closed stdin, stdout or
// stderr. It does so before any package is initialised, and keeps no record that a
// program can read. So the official build starts at podhook_start (go build
// -ldflags='-E podhook_start', see the Makefile): a few instructions of assembly that call
// beforeRuntime, which asks the kernel, and then jump to the usual entry point of Go programs.
//
// GODEBUG, GOGC, GOMEMLIMIT, GOTRACEBACK and GOMAXPROCS are meant for the
// application, and Go's runtime ends the process for a value that it cannot read.
// So podhook_start gives the runtime a copy of the environment without the variables
// that start with GO, and with a GOMAXPROCS of podhook's own. To set that one later
// would not save the memory.
//
// For an init (`podhook run`, tini, dumb-init) it also makes sure that no signal is lost before main. PID 1 loses
// a signal for which it has no handler, unless the signal is blocked (kernel/signal.c,
// sig_ignored). So podhook_start blocks all. Those that the runtime unblocks again get
// a handler that ends the process with 128+n, until package os/signal takes them: for a
// TERM, INT or HUP that nobody subscribed to, the runtime calls the handler that was
// there before its own (runtime.dieFromSignal), and exits with 2 where there was none.
//
// A command that runs a hook forks before the runtime starts, which takes milliseconds: the
// child runs the hook, and its guard, which is some kilobytes and one thread, waits for
// it (guard.go). Both would otherwise start a runtime.
//
// The threads of podhook get a longer timer slack (ownSlack), and its children their own.
//
// A build without that entry point works, and takes what it finds for inherited.
//
// This is the only package with state of its own and an init function: a process has
// one entry point, and it runs before main.
package inherited
