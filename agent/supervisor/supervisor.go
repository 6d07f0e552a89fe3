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

// Options say how signals get to the main process.
type Options struct {
	// Group sends signals to the process group of the main process.
	Group bool
	// Rewrite replaces a signal by another one; 0 drops it.
	Rewrite map[syscall.Signal]syscall.Signal
	// Session starts the main process in a session of its own, which takes the terminal
	// from podhook: setsid(2), TIOCSCTTY.
	Session bool
	// Farewell is sent to the process group of the main process after its end. 0 is none.
	Farewell syscall.Signal
	// Suspend stops podhook after a TSTP, TTIN or TTOU that it was sent, until SIGCONT.
	Suspend bool
	// Trace is called for what happens, with the number of a process or of a signal. It
	// must not call the Supervisor. It may be nil.
	Trace func(what Event, number int)
	// Hold is called for every signal, after Rewrite, in the order of arrival. If it
	// returns true, the main process does not get the signal unless by Deliver. It must
	// return at once, because later signals wait. Nil holds none.
	Hold func(syscall.Signal) bool
	// Lost is called for a signal that the main process did not get, with the reason,
	// usually a *process.DeniedError. It must not block. It may be nil.
	Lost func(syscall.Signal, error)
}

// Event is what Trace is told.
type Event string

const (
	// Started has the PID of the main process.
	Started Event = "started CMD: process"
	// Ended has the exit code of the main process.
	Ended Event = "CMD has ended: exit code"
	// Received has a signal that podhook was sent.
	Received Event = "received signal"
	// Forwarded has a signal that the main process was sent.
	Forwarded Event = "sent CMD signal"
)

// Supervisor starts the main process and forwards signals to it. All methods but Run may
// be called from any goroutine.
type Supervisor struct {
	options Options
	reaper  *process.Reaper
	thread  int
	handOff handOff

	mu    sync.Mutex
	main  *child
	ended bool
	// changes gets a value when a child has ended or stopped.
	changes chan os.Signal
	// queue holds the signals that came before the start of the main process.
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

// Run receives signals while life runs in another goroutine, and returns what life
// returns. It must be called from the main goroutine, which package inherited keeps on
// the main thread. The kernel offers a signal to that thread first (kernel/signal.c,
// complete_signal), and Run waits for it in the kernel, so that no other thread wakes.
// A signal that arrives while Run is busy stays pending, or comes through os/signal.
func (s *Supervisor) Run(life func() int) (code int, err error) {
	s.takeSignals()
	var over atomic.Bool
	go func() {
		code = life()
		over.Store(true)
		s.wake()
	}()
	// The wait keeps life from running until the runtime notices, up to a millisecond later.
	runtime.Gosched()
	err = s.attend(over.Load)
	return code, err
}

// RunAlone is Run where life would do no more than to start the main process and to return
// its exit status. The main thread does that itself: the kernel offers SIGCHLD to the thread
// that has forked, so no other one wakes for the end of the main process. It has the errors
// of Start and those of Run.
func (s *Supervisor) RunAlone(command Command) (status syscall.WaitStatus, err error) {
	s.takeSignals()
	s.reaper.OnSignal(s.wake)
	_, exited, err := s.Start(command)
	if err != nil {
		return 0, err
	}
	err = s.attend(func() bool {
		select {
		case status = <-exited:
			return true
		default:
			return false
		}
	})
	return status, err
}

// takeSignals prepares the calling goroutine for attend.
func (s *Supervisor) takeSignals() {
	inherited.OutliveRTMIN()
	runtime.LockOSThread()
	inherited.SetMask(inherited.All)
	s.thread = unix.Gettid()
	early := inherited.Early()
	go func() {
		for sig := range early {
			s.receive(sig.(syscall.Signal), nil)
		}
	}()
}

// attend receives signals until over, which it asks before each wait.
func (s *Supervisor) attend(over func() bool) error {
	set, info := waited(), new(received)
	for {
		if over() {
			return nil
		}
		sig, err := wait(set, info)
		switch {
		case err != nil:
			return err
		case sig == syscall.SIGCHLD:
			s.reaper.Reap()
			s.tellTerminal()
		case info.own():
			s.handOff.of(sig)
		default:
			s.receive(sig, info)
		}
	}
}

// wake makes attend ask whether it is over. SIGURG is the runtime's own signal and harmless
// if the thread is not waiting.
func (s *Supervisor) wake() {
	_ = unix.Tgkill(os.Getpid(), s.thread, syscall.SIGURG)
}

func (s *Supervisor) receive(sig syscall.Signal, info *received) {
	if s.handOff.of(sig) {
		return
	}
	s.trace(Received, int(sig))
	s.pass(sig, info)
	if s.options.Suspend && suspends.Has(sig) {
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP) // the kernel does not stop a PID 1
	}
}

// suspends are the signals that stop a job: signal(7).
const suspends = inherited.Signals(1<<(syscall.SIGTSTP-1) | 1<<(syscall.SIGTTIN-1) | 1<<(syscall.SIGTTOU-1))

func (s *Supervisor) trace(what Event, number int) {
	if s.options.Trace != nil {
		s.options.Trace(what, number)
	}
}

func (s *Supervisor) pass(sig syscall.Signal, info *received) {
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

// Deliver sends sig to the main process, or keeps it until the start. After the end of
// the main process it does nothing. The error is usually a *process.DeniedError.
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
		s.trace(Forwarded, int(sig))
		return s.main.signal(sig, info)
	}
	return nil
}

// Start starts the main process and then sends it the signals that came before, in
// order. The channel gets its exit status. The error is an *ExecError where the program
// could not be executed.
func (s *Supervisor) Start(command Command) (pid int, exited <-chan syscall.WaitStatus, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	main := &child{group: s.options.Group, session: s.options.Session}
	if main.session {
		s.handOff.detach()
	} else {
		main.tty = controllingTerminal()
	}
	pid, status, err := s.reaper.Start(func() (int, error) { return main.start(command) })
	if err != nil {
		return 0, nil, err
	}
	s.reaper.LeaveDirectory()
	s.trace(Started, pid)
	s.main = main
	for _, p := range s.queue {
		s.lost(p.sig, main.signal(p.sig, &p.info))
	}
	s.queue = nil
	if main.tty == nil && main.pidfd >= 0 && s.options.Farewell == 0 && s.options.Trace == nil {
		return pid, status, nil // no signal can reach another process by a pidfd
	}
	return pid, s.watch(main, status), nil
}

// tellTerminal tells terminal.watch that a child has ended or stopped.
func (s *Supervisor) tellTerminal() {
	select {
	case s.changes <- syscall.SIGCHLD:
	default:
	}
}

// watch passes on the exit status of the main process when no signal can reach another
// process with the same PID any more, its group has got Farewell and podhook has the
// terminal back.
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
		s.trace(Ended, process.ExitCode(exit))
		if sig := s.options.Farewell; sig != 0 {
			_ = syscall.Kill(-main.pid, sig)
		}
		close(gone)
		<-released
		watched <- exit
		s.wake() // RunAlone asks for it
	}()
	return watched
}
