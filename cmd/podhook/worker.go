package main

import (
	"context"
	"errors"
	"flag"
	"os"

	"golang.org/x/sys/unix"
)

// workerCommand is the command of the process that runs an exec'd hook for its
// front (front.go). Where a background process of a successful step still
// prints, the worker outlives its front: without a reader of its pipe that
// process would be killed by SIGPIPE.
const workerCommand = "hook-worker"

// The descriptors that a worker has from its front.
const (
	lifelineFD = 3 // the front holds the other end; its end is the front's
	verdictFD  = 4 // takes one byte, the exit code
)

var errFrontDied = errors.New("the process that called the hook was killed")

func hookWorker(ctx context.Context, c *call) int {
	fs := flag.NewFlagSet(workerCommand, flag.ContinueOnError)
	force := fs.Bool("force", false, "")
	words, err := parse(fs, c.args)
	if err != nil || len(words) != 1 || !isPipe(lifelineFD) || !isPipe(verdictFD) {
		return c.fail(usagef("%s is podhook's own command; use podhook hook NAME", workerCommand))
	}
	unix.CloseOnExec(lifelineFD) // a step that held it would hide the front's death
	unix.CloseOnExec(verdictFD)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go watchFront(cancel)
	h, err := openHook(c, words[0], *force)
	if err != nil {
		code := c.fail(err)
		tellFront(code)
		return code
	}
	return h.run(ctx, true)
}

func isPipe(fd int) bool {
	var st unix.Stat_t
	return unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFIFO
}

// watchFront interrupts the run when the lifeline has no other end any more.
func watchFront(cancel context.CancelCauseFunc) {
	lifeline := os.NewFile(lifelineFD, "lifeline")
	var nothing [1]byte
	_, _ = lifeline.Read(nothing[:]) // nothing is ever written: it returns at the end
	cancel(errFrontDied)
}

// tellFront gives the exit code to the front, which ends then.
func tellFront(code int) {
	_, _ = unix.Write(verdictFD, []byte{byte(code)}) // a front that is gone needs none
}

// leaveStdio lets go of the front's standard streams: kubelet waits until all of
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
