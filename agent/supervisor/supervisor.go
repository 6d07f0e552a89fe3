package supervisor

import (
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/process"
	"github.com/podhook/podhook/hooks/process/inherited"
)

// Options are how signals get to the main process.
type Options struct {
	// Group sends signals to the process group of the main process.
	Group bool
	// Rewrite replaces a signal by another one; 0 drops it.
	Rewrite map[syscall.Signal]syscall.Signal
	// Hold is asked about every signal that has arrived, after Rewrite, in
	// the order of arrival. If it returns true it has taken the signal, and the main
	// process does not get it unless by Deliver. It must return at once; signals
	// wait meanwhile. Nil takes none.
	Hold func(syscall.Signal) bool
	// Lost is told of a signal that has arrived and that the main process did not
	// get, and why: mostly a *process.DeniedError. It must not block. Nil for nobody.
	Lost func(syscall.Signal, error)
}

// Supervisor starts the main process and passes signals on to it. All methods
// may be called from any goroutine, but Run.
type Supervisor struct {
	options Options
	reaper  *process.Reaper
	over    atomic.Bool
	thread  int

	mu    sync.Mutex
	main  *child
	ended bool
	// changes tell of a child that has ended or stopped.
	changes chan os.Signal
	// queue are the signals for a main process that is not there yet.
	queue []pending
}

type pending struct {
	sig  syscall.Signal
	info received
}

// New returns a Supervisor whose main process will be reaped by reaper.
func New(reaper *process.Reaper, options Options) *Supervisor {
	return &Supervisor{options: options, reaper: reaper, changes: make(chan os.Signal, 1)}
}

// Run receives signals while life runs in another goroutine, and returns what
// life returns. It must be called from the main goroutine, which package
// inherited keeps on the main thread: the kernel offers a signal for the process to
// that thread first (kernel/signal.c, complete_signal), and here it waits for it
// in the kernel, so that nothing else has to be woken. What arrives while it is
// busy stays pending, or comes by way of os/signal.
func (s *Supervisor) Run(life func() int) (int, error) {
	inherited.OutliveRTMIN()
	runtime.LockOSThread()
	inherited.SetMask(inherited.All)
	s.thread = unix.Gettid()

	code := 0
	early := inherited.Early()
	go func() {
		code = life()
		s.over.Store(true)
		s.wake()
	}()
	go func() {
		for sig := range early {
			s.receive(sig.(syscall.Signal), nil)
		}
	}()

	set, info := waited(), new(received)
	for {
		sig, err := wait(set, info)
		if err != nil {
			return 0, err
		}
		switch {
		case s.over.Load():
			return code, nil
		case sig == syscall.SIGCHLD:
			s.reaper.Reap()
			s.tellTerminal()
		case info.own():
		default:
			s.receive(sig, info)
		}
	}
}

// wake makes Run look round. The signal is the runtime's own, so that it harms
// nobody should the thread not be waiting.
func (s *Supervisor) wake() {
	_ = unix.Tgkill(os.Getpid(), s.thread, syscall.SIGURG)
}

func (s *Supervisor) receive(sig syscall.Signal, info *received) {
	if to, ok := s.options.Rewrite[sig]; ok {
		if to == 0 {
			return
		}
		sig, info = to, nil
	}
	if s.options.Hold != nil && s.options.Hold(sig) {
		return
	}
	s.lost(sig, s.deliver(sig, info))
}

func (s *Supervisor) lost(sig syscall.Signal, err error) {
	if err != nil && s.options.Lost != nil {
		s.options.Lost(sig, err)
	}
}

// Deliver sends sig to the main process, or keeps it until there is one. After
// its end it does nothing. The error is why it could not be delivered: mostly a
// *process.DeniedError.
func (s *Supervisor) Deliver(sig syscall.Signal) error { return s.deliver(sig, nil) }

func (s *Supervisor) deliver(sig syscall.Signal, info *received) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended:
	case s.main == nil:
		p := pending{sig: sig}
		if info != nil {
			p.info = *info
		}
		s.queue = append(s.queue, p)
	default:
		return s.main.signal(sig, info)
	}
	return nil
}

// Start starts the main process and then gives it the signals that have come for
// it, in their order. The channel gets its end. The error is an *ExecError where
// the program could not be executed.
func (s *Supervisor) Start(command Command) (pid int, exited <-chan syscall.WaitStatus, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	main := &child{group: s.options.Group, tty: controllingTerminal()}
	pid, status, err := s.reaper.Start(func() (int, error) { return main.start(command) })
	if err != nil {
		return 0, nil, err
	}
	s.main = main
	for _, p := range s.queue {
		s.lost(p.sig, main.signal(p.sig, &p.info))
	}
	s.queue = nil
	if main.tty == nil && main.pidfd >= 0 {
		return pid, status, nil // a pidfd knows when its process is gone
	}
	return pid, s.watch(main, status), nil
}

// tellTerminal passes on that a child has ended or stopped.
func (s *Supervisor) tellTerminal() {
	select {
	case s.changes <- syscall.SIGCHLD:
	default:
	}
}

// watch follows the main process to its end and passes the end on, when no signal
// can hit another process of the same pid any more and the terminal is ours again.
func (s *Supervisor) watch(main *child, status <-chan syscall.WaitStatus) <-chan syscall.WaitStatus {
	gone, released := make(chan struct{}), make(chan struct{})
	go func() {
		if main.tty != nil {
			main.tty.watch(main.pid, s.changes, gone)
		}
		close(released)
	}()
	watched := make(chan syscall.WaitStatus, 1)
	go func() {
		exit := <-status
		s.mu.Lock()
		s.ended = true
		s.mu.Unlock()
		close(gone)
		<-released
		watched <- exit
	}()
	return watched
}
