package process

import (
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ErrClosed is returned for a child that was to be started after Close.
var ErrClosed = errors.New("process: the reaper is closed")

// Reaper is the only waiter of children in this process: it reaps every child
// as soon as it has ended, orphans that the kernel gave us included, and hands
// the exit statuses of the children it started to whoever started them.
//
// There may be only one in a process at a time, and nothing else may wait there:
// wait4(-1) beside os/exec loses exit statuses. Its methods may be called from
// any goroutine. It does nothing while no child ends.
type Reaper struct {
	// mu is held while a child is forked and registered, and while statuses are
	// collected: so no child can end unseen before it is registered.
	mu       sync.Mutex
	children map[int]chan<- syscall.WaitStatus
	closed   bool
	// childless is what the last wait4 said.
	childless bool
	// orphans counts the children that were reaped and that we did not start.
	orphans int
	// runs is how many calls of Run are going on.
	runs int
	// left are the processes that ended runs left behind: pid to start time.
	left map[int]uint64

	signals  chan os.Signal
	stopped  chan struct{}
	hasPidfd bool

	null    nullInput
	buffers sync.Pool
	late    lateOutputs
}

// NewReaper subscribes to SIGCHLD and reaps from now on, until Close.
func NewReaper() *Reaper {
	r := &Reaper{
		children: make(map[int]chan<- syscall.WaitStatus),
		left:     make(map[int]uint64),
		signals:  make(chan os.Signal, 1),
		stopped:  make(chan struct{}),
		hasPidfd: pidfdWorks(),
	}
	r.buffers.New = func() any { return new([readSize]byte) }
	r.late.running = make(map[*watch]struct{})
	signal.Notify(r.signals, syscall.SIGCHLD)
	go r.loop()
	return r
}

// Subreaper makes orphaned descendants of this process its children, so that
// none of them escapes to PID 1: prctl(2), PR_SET_CHILD_SUBREAPER. PID 1 of
// a PID namespace gets them without.
func (r *Reaper) Subreaper() error {
	return os.NewSyscallError("prctl(PR_SET_CHILD_SUBREAPER)",
		unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
}

// IsSubreaper reports whether Subreaper was called in this process, or by the
// program that executed it.
func IsSubreaper() bool {
	var is int32
	err := unix.Prctl(unix.PR_GET_CHILD_SUBREAPER, uintptr(unsafe.Pointer(&is)), 0, 0, 0)
	return err == nil && is != 0
}

// Start calls fork, which must return the pid of a new child, and returns
// a channel that gets exactly one status, when the child has been reaped. Nobody
// has to receive it. An error of fork is returned as it is.
//
// No child is reaped while fork runs, so fork must not wait for one that it did
// not itself start.
func (r *Reaper) Start(fork func() (pid int, err error)) (pid int, exited <-chan syscall.WaitStatus, err error) {
	ch := make(chan syscall.WaitStatus, 1)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return 0, nil, ErrClosed
	}
	pid, err = fork()
	if err != nil {
		return 0, nil, err
	}
	r.children[pid] = ch
	return pid, ch, nil
}

// Close ends the reaping and the reading of output that background processes
// still may write (who writes then gets SIGPIPE). To be called once, after the
// last Run has returned. It leaves no goroutine and no descriptor behind.
func (r *Reaper) Close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	signal.Stop(r.signals)
	close(r.signals)
	<-r.stopped
	r.late.stop()
	r.null.close()
}

func (r *Reaper) loop() {
	defer close(r.stopped)
	// What ended before the subscription sends no further SIGCHLD.
	r.reap()
	for range r.signals {
		r.reap()
	}
}

// Reap reaps what has ended. Only who has taken a SIGCHLD away from the Reaper,
// as sigwait(3) does, needs to call it.
func (r *Reaper) Reap() { r.reap() }

// reap collects all children that have ended. One SIGCHLD can stand for many.
func (r *Reaper) reap() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if pid <= 0 {
			r.childless = err == syscall.ECHILD
			return
		}
		if exited, ok := r.children[pid]; ok {
			delete(r.children, pid)
			exited <- status
		} else {
			r.orphans++
		}
		delete(r.left, pid)
	}
}

func (r *Reaper) orphanCount() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.orphans
}

// pidfdWorks: Linux before 5.3 and some sandboxes have no pidfds. Then exits
// are learnt from SIGCHLD alone, and processes are signalled by number.
func pidfdWorks() bool {
	fd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return false
	}
	unix.Close(fd)
	return true
}
