package main

import (
	"context"
	"flag"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// workerCommand runs an exec'd hook for its caller (hook_caller.go). The worker
// outlives a caller that is killed. It also lives on while a background process of a
// successful step prints, because without a reader of its pipe SIGPIPE would kill
// that process.
const workerCommand = "hook-worker"

// The descriptors that a worker gets from its caller.
const (
	lifelineFD = 3 // to read: a byte for each stop signal, and EOF at the end of the caller
	verdictFD  = 4 // to write: the verdict
)

func defineWorker(inv *invocation, fs *flag.FlagSet) action {
	force := forceFlag(fs)
	return func(ctx context.Context, words []string) int { return hookWorker(ctx, inv, words, *force) }
}

func hookWorker(ctx context.Context, inv *invocation, words []string, force bool) int {
	if len(words) != 1 || !isPipe(lifelineFD) || !isPipe(verdictFD) {
		return inv.fail(usagef("%s is podhook's own command; use podhook hook NAME", workerCommand))
	}
	unix.CloseOnExec(lifelineFD)
	unix.CloseOnExec(verdictFD) // in a step it would hide the death of the worker
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	caller, gone := context.WithCancel(context.WithoutCancel(ctx))
	defer gone()
	go watchCaller(cancel, gone)
	h, err := openHook(inv, words[0], force, toWrite)
	if err != nil {
		code := inv.fail(err)
		verdict{code: code}.tell()
		return code
	}
	return h.run(ctx, caller)
}

func isPipe(fd int) bool {
	var st unix.Stat_t
	return unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFIFO
}

// watchCaller interrupts the run when the caller forwards a stop signal. The end of
// the caller does not interrupt it.
func watchCaller(stop context.CancelCauseFunc, gone context.CancelFunc) {
	lifeline := os.NewFile(lifelineFD, "lifeline")
	for {
		var sig [1]byte
		if n, _ := lifeline.Read(sig[:]); n == 0 {
			break
		}
		stop(&stoppedBy{syscall.Signal(sig[0])})
	}
	leaveStdio()
	gone()
}

// verdict is the message of a worker to its caller at the end of the call.
type verdict struct {
	code int
	// stays says that the worker goes on to read the output of background processes,
	// and that the caller must not wait for its end.
	stays bool
}

func (v verdict) tell() {
	message := []byte{byte(v.code), 0}
	if v.stays {
		message[1] = 1
	}
	_, _ = unix.Write(verdictFD, message) // the caller may be dead
}

func readVerdict(r io.Reader) (verdict, bool) {
	var message [2]byte
	_, err := io.ReadFull(r, message[:])
	return verdict{code: int(message[0]), stays: message[1] != 0}, err == nil
}

// leaveStdio closes the standard streams of the caller. kubelet waits until every
// process has closed those of an exec.
func leaveStdio() {
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	for fd := range 3 {
		_ = unix.Dup3(null, fd, 0)
	}
	_ = unix.Close(null)
}
