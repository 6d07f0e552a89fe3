package main

import (
	"context"
	"flag"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/process/inherited"
)

// workerCommand runs a command line of an exec'd hook for its caller (hook_caller.go). The
// worker outlives a caller that is killed. It also lives on while a background process of a
// successful step prints, because without a reader of its pipe SIGPIPE would kill
// that process.
const workerCommand = "hook-worker"

// guardFD is the socket to the caller that such a worker gets.
const guardFD = 3

func defineWorker(inv *invocation, _ *flag.FlagSet) action {
	return func(ctx context.Context, words []string) int {
		if kind, err := unix.GetsockoptInt(guardFD, unix.SOL_SOCKET, unix.SO_TYPE); err != nil || kind != unix.SOCK_SEQPACKET || len(words) == 0 {
			return inv.fail(usagef("%s is podhook's own command; use podhook hook NAME", workerCommand))
		}
		unix.CloseOnExec(guardFD) // in a step it would hide the death of the worker
		inv.guard = &guard{socket: guardFD}
		return inv.dispatch(ctx, append([]string{"podhook"}, words...))
	}
}

// guard is the process that has called, as its worker sees it. That of a process that no
// other one guards is nil.
type guard struct {
	socket int
	told   bool
}

// ownGuard returns the guard that package inherited has made before main, or nil.
func ownGuard() *guard {
	if socket, ok := inherited.Worker(); ok {
		return &guard{socket: socket}
	}
	return nil
}

// watch interrupts the run when the caller forwards a stop signal, or somebody sends TERM to
// all processes. The end of the caller does not interrupt it, but it ends the context that
// watch returns.
func (g *guard) watch(stop context.CancelCauseFunc) (caller context.Context) {
	caller, gone := context.WithCancel(context.Background())
	// Each signal costs two thread switches, here while the first step runs.
	go func() {
		term := make(chan os.Signal, 1)
		signal.Notify(term, syscall.SIGTERM)
		<-term
		stop(&stoppedBy{syscall.SIGTERM})
	}()
	go func() {
		socket := os.NewFile(uintptr(g.socket), "guard")
		for {
			var sig [1]byte
			if n, _ := socket.Read(sig[:]); n == 0 {
				break
			}
			stop(&stoppedBy{syscall.Signal(sig[0])})
		}
		leaveStdio()
		gone()
	}()
	return caller
}

// hold has the caller keep a descriptor open until its end.
func (g *guard) hold(fd int) {
	if g == nil {
		return // this process does
	}
	_ = unix.Sendmsg(g.socket, []byte{0}, unix.UnixRights(fd), nil, unix.MSG_NOSIGNAL) // the caller may be dead
	_ = unix.Close(fd)
}

// tell tells the caller the verdict, once.
func (g *guard) tell(v verdict) {
	if g == nil || g.told {
		return
	}
	g.told = true
	message := [verdictSize]byte{byte(v.code)}
	if v.stays {
		message[1] = 1
	}
	_ = unix.Sendto(g.socket, message[:], unix.MSG_NOSIGNAL, nil) // the caller may be dead
}

// verdict is the message of a worker to its caller at the end of the call.
type verdict struct {
	code int
	// stays says that the worker goes on to read the output of background processes,
	// and that the caller must not wait for its end.
	stays bool
}

const verdictSize = 2

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
