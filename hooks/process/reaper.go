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

// ErrClosed is returned by Start after Close.
var ErrClosed = errors.New("process: the reaper is closed")

// Reaper is the only waiter of children in this process. It reaps every child when it
// ends, including orphans that the kernel has made children of this process. It
// passes the status of a child to the caller of Start.
//
// A process has at most one Reaper at a time, and nothing else may wait for children:
// wait4(-1) beside os/exec loses exit statuses. Its methods may be called from any
// goroutine.
type Reaper struct {
	// mu is held while a child is forked and registered, and while statuses are
	// collected, so that no child is reaped before it is registered.
	mu       sync.Mutex
	children map[int]chan<- syscall.WaitStatus
	closed   bool
	// childless: the last wait4 found no child.
	childless bool
	// orphans counts the reaped children that Start did not start.
	orphans  int
	onOrphan func(pid int)
	onSignal func()
	// runs counts the calls of Run in progress.
	runs int
	// left are the processes that ended runs left behind: PID to start time.
	left map[int]uint64

	signals    chan os.Signal
	subscribed chan struct{}
	stopped    chan struct{}
	hasPidfd   bool

	dir      string // where programs start; "" for the directory of this process
	null     nullInput
	confined confined
	buffers  sync.Pool
	late     lateOutputs
}

// NewReaper subscribes to SIGCHLD and reaps until Close.
func NewReaper() *Reaper {
	r := &Reaper{
		children:   make(map[int]chan<- syscall.WaitStatus),
		left:       make(map[int]uint64),
		signals:    make(chan os.Signal, 1),
		subscribed: make(chan struct{}),
		stopped:    make(chan struct{}),
		hasPidfd:   pidfdWorks(),
	}
	r.buffers.New = func() any { return new([readSize]byte) }
	r.late.running = make(map[*watch]struct{})
	go r.loop()
	return r
}

// Subreaper makes this process the parent of its orphaned descendants, so that none of
// them becomes a child of PID 1: prctl(2), PR_SET_CHILD_SUBREAPER. PID 1 of a PID
// namespace does not need it.
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

// Start calls fork, which must return the PID of a new child. The channel gets exactly
// one status when the child has been reaped; it need not be received. An error of fork
// is returned as it is.
//
// No child is reaped while fork runs, so fork must not wait for a child that it did
// not start itself.
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

// Close stops reaping, and stops reading the output of background processes, which get
// SIGPIPE if they write. Call it once, after the last Run has returned. It leaves no
// goroutine and no descriptor behind.
func (r *Reaper) Close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	<-r.subscribed
	signal.Stop(r.signals)
	close(r.signals)
	<-r.stopped
	r.late.stop()
	r.confined.close()
	r.null.close()
}

func (r *Reaper) loop() {
	defer close(r.stopped)
	// Here, because it takes two thread switches, which the first program need not wait for.
	signal.Notify(r.signals, syscall.SIGCHLD)
	close(r.subscribed)
	// A child that ended before the subscription sends no further SIGCHLD.
	r.reapAndTell()
	for range r.signals {
		r.reapAndTell()
	}
}

func (r *Reaper) reapAndTell() {
	r.Reap()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.onSignal != nil {
		r.onSignal()
	}
}

// Reap reaps all children that have ended: one SIGCHLD can stand for many. Call it for a
// SIGCHLD that the Reaper does not get, because sigwait(3) has taken it.
func (r *Reaper) Reap() {
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
			if r.onOrphan != nil {
				r.onOrphan(pid)
			}
		}
		delete(r.left, pid)
	}
}

// OnOrphan has tell called for each child that is reaped and that Start did not start. It
// must not call the Reaper.
func (r *Reaper) OnOrphan(tell func(pid int)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.onOrphan = tell
}

// OnSignal has tell called when the Reaper itself has got a SIGCHLD and reaped. It must not
// call the Reaper.
func (r *Reaper) OnSignal(tell func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.onSignal = tell
}

func (r *Reaper) orphanCount() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.orphans
}

// pidfdWorks is false on Linux before 5.3 and in some sandboxes. There only SIGCHLD
// tells of exits, and signals go to a PID.
func pidfdWorks() bool {
	fd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return false
	}
	unix.Close(fd)
	return true
}
