package main

import (
	"context"
	"flag"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// workerCommand is the command of the process that runs an exec'd hook for its
// caller (hook_caller.go). It outlives a caller that is killed, and, where a
// background process of a successful step still prints, one that has its verdict:
// without a reader of its pipe that process would be killed by SIGPIPE.
const workerCommand = "hook-worker"

// The descriptors that a worker has from its caller.
const (
	lifelineFD = 3 // gives a byte for each stop signal, and ends with the caller
	verdictFD  = 4 // takes the verdict
)

func hookWorker(ctx context.Context, c *call) int {
	fs := flag.NewFlagSet(workerCommand, flag.ContinueOnError)
	force := fs.Bool("force", false, "")
	words, err := parse(fs, c.args)
	if err != nil || len(words) != 1 || !isPipe(lifelineFD) || !isPipe(verdictFD) {
		return c.fail(usagef("%s is podhook's own command; use podhook hook NAME", workerCommand))
	}
	unix.CloseOnExec(lifelineFD) // its number is not a step's to use
	unix.CloseOnExec(verdictFD)  // a step that held it would hide our death
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	caller, gone := context.WithCancel(context.WithoutCancel(ctx))
	defer gone()
	go watchCaller(cancel, gone)
	h, err := openHook(c, words[0], *force)
	if err != nil {
		code := c.fail(err)
		verdict{code: code}.tell()
		return code
	}
	return h.run(ctx, caller)
}

func isPipe(fd int) bool {
	var st unix.Stat_t
	return unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFIFO
}

// watchCaller interrupts the run when the caller forwards a stop signal. Its mere
// end interrupts nothing; nobody reads what is printed then, and a runtime waits
// until all streams of an exec are closed.
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

// verdict is what a worker tells its caller at the end of the call.
type verdict struct {
	code int
	// stays: the worker goes on reading what background processes print, and the
	// caller is not to wait for its end.
	stays bool
}

func (v verdict) tell() {
	message := []byte{byte(v.code), 0}
	if v.stays {
		message[1] = 1
	}
	_, _ = unix.Write(verdictFD, message) // a caller that is gone needs none
}

func readVerdict(r io.Reader) (verdict, bool) {
	var message [2]byte
	_, err := io.ReadFull(r, message[:])
	return verdict{code: int(message[0]), stays: message[1] != 0}, err == nil
}

// leaveStdio lets go of the caller's standard streams: kubelet waits until all of
// an exec's are closed.
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
