package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/agent/show"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/process"
	"github.com/podhook/podhook/hooks/process/inherited"
)

// An exec'd hook is two processes. kubelet starts the caller, which waits, forwards stop
// signals, and kills what a killed worker leaves behind. The worker (hook_worker.go) runs the
// hook, and goes on when the caller is killed: a kubelet that restarts kills its callers, and
// does not call postStart again (deploy/kubernetes/kubelet.md).
//
// With podhook's own entry point the caller is a guard that needs no Go runtime, and
// package inherited has forked the worker before main. callWorker does the same from Go,
// for builds without that entry point and where a standard stream is closed.

// callWorker starts a worker that runs the same command line and returns its exit code, or
// false if no worker can be started.
func callWorker(ctx context.Context, inv *invocation, name string) (code int, done bool) {
	stops := make(chan os.Signal, 3)
	signal.Notify(stops, stopSignals()...)
	defer signal.Stop(stops)
	reaper := process.NewReaper()
	defer reaper.Close()
	_ = reaper.Subreaper() // the worker logs an error of its own
	w, err := startWorker(inv, reaper)
	if err != nil {
		return 0, false
	}
	ended := ctx.Done()
	for {
		select {
		case v := <-w.verdict:
			if !v.stays {
				<-w.exited // reaped here, because PID 1 may not reap
			}
			return v.code, true
		case <-w.silent:
			return workerDied(inv, name, reaper, <-w.exited), true
		case s := <-stops:
			w.stop(s)
		case <-ended:
			w.stop(syscall.SIGTERM)
			ended = nil
		}
	}
}

// mourn is what remains to do for a guard whose worker has died.
func mourn(inv *invocation, name string, status syscall.WaitStatus) int {
	reaper := process.NewReaper()
	defer reaper.Close()
	return workerDied(inv, name, reaper, status)
}

// workerDied cleans up after a worker that has ended without a verdict. Its record
// says running while nobody holds the lock, which everybody reads as interrupted.
func workerDied(inv *invocation, name string, reaper *process.Reaper, status syscall.WaitStatus) int {
	reaper.KillDescendants(remains(inv, name))
	if status.Signaled() {
		fmt.Fprintf(inv.stderr, "podhook: hook %s interrupted: its process was killed by %s\n", name, unix.SignalName(status.Signal()))
		return process.ExitCode(status)
	}
	fmt.Fprintf(inv.stderr, "podhook: hook %s interrupted: its process ended with code %d\n", name, status.ExitStatus())
	return hooks.ExitInterrupted
}

// remains tells the processes that a dead run has left behind from those that may
// live on.
func remains(inv *invocation, name string) process.Remains {
	c, err := openContainer(inv, show.ContainerLog(), toWrite)
	if err != nil || c.store == nil {
		return process.Remains{}
	}
	if rec, found, err := c.store.Hook(name).Read(); err == nil && found {
		return hooks.Remains(rec)
	}
	return process.Remains{}
}

// worker is the worker as its caller sees it.
type worker struct {
	socket  int
	exited  <-chan syscall.WaitStatus
	verdict chan verdict
	silent  chan struct{} // closed when the worker ends without a verdict
}

// startWorker starts the worker in a session of its own, so that a signal to the
// process group of the caller does not reach it directly.
func startWorker(inv *invocation, reaper *process.Reaper) (*worker, error) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(ends[1])
	w := &worker{socket: ends[0], verdict: make(chan verdict, 1), silent: make(chan struct{})}
	_, w.exited, err = reaper.Start(func() (int, error) {
		return inherited.ForkExec("/proc/self/exe", append([]string{"podhook", workerCommand}, inv.line...), &syscall.ProcAttr{
			Env:   inv.environ,
			Files: []uintptr{0, 1, 2, guardFD: uintptr(ends[1])},
			Sys:   &syscall.SysProcAttr{Setsid: true},
		})
	})
	if err != nil {
		unix.Close(w.socket)
		return nil, err
	}
	go w.listen()
	return w, nil
}

// listen waits for the verdict or for the end of the worker. The descriptor that marks this
// process as a caller stays open until its end.
func (w *worker) listen() {
	var message [verdictSize]byte
	rights := make([]byte, unix.CmsgSpace(4))
	for {
		n, _, _, _, err := unix.Recvmsg(w.socket, message[:], rights, unix.MSG_CMSG_CLOEXEC)
		switch {
		case n == verdictSize:
			w.verdict <- verdict{code: int(message[0]), stays: message[1] != 0}
			return
		case n <= 0 && err != unix.EINTR:
			close(w.silent)
			return
		}
	}
}

// stop forwards a stop signal as a message, because a seccomp profile can deny kill(2).
func (w *worker) stop(s os.Signal) {
	if sig, ok := s.(syscall.Signal); ok {
		_ = unix.Sendto(w.socket, []byte{byte(sig)}, unix.MSG_NOSIGNAL, nil)
	}
}
