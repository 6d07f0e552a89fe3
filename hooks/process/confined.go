package process

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// confined is a thread whose children can gain no privileges by execve(2), and neither can
// theirs. A child inherits that from the thread that forks it, and no thread can take it
// back: prctl(2), PR_SET_NO_NEW_PRIVS. So the thread does nothing else.
//
// Its goroutine stays locked to it. Go's runtime makes no thread from such a one, which
// would inherit it too, but has another thread do that. The children die with the thread
// (PR_SET_PDEATHSIG), so it lasts until the Reaper is closed.
//
// The lock of the Reaper guards it, and is held by the one caller.
type confined struct {
	work chan func() // nil until it is needed
	done chan struct{}
}

// confineError is why there is no such thread.
type confineError struct{ error }

func (e *confineError) Unwrap() error { return e.error }

// begin makes the thread if there is none.
func (c *confined) begin() error {
	if c.work != nil {
		return nil
	}
	work, done, ready := make(chan func()), make(chan struct{}), make(chan error)
	go confine(work, done, ready)
	if err := <-ready; err != nil {
		return err
	}
	c.work, c.done = work, done
	return nil
}

// confine does the work in a thread with no_new_privs, until work is closed.
func confine(work <-chan func(), done chan<- struct{}, ready chan<- error) {
	runtime.LockOSThread()
	if unix.Gettid() == os.Getpid() {
		// Not in the main thread: /proc/PID/status shows that one as the process. While
		// this goroutine holds it, the next one gets another.
		defer runtime.UnlockOSThread()
		begun := make(chan error)
		go confine(work, done, begun)
		ready <- <-begun
		return
	}
	err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	ready <- err
	if err != nil {
		return
	}
	for do := range work {
		do()
	}
	close(done)
	// Without an unlock: the thread ends with this goroutine.
}

// do runs a function in the thread. begin has succeeded.
func (c *confined) do(fork func()) {
	forked := make(chan struct{})
	c.work <- func() {
		fork()
		close(forked)
	}
	<-forked
}

func (c *confined) close() {
	if c.work != nil {
		close(c.work)
		<-c.done
		c.work = nil
	}
}
