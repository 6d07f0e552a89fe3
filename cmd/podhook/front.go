package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/process"
)

// An exec'd hook that starts programs is two processes. The front is what kubelet
// has started: it waits, and if the worker is killed it kills what the worker has
// left behind. The worker (worker.go) runs the hook, and if the front is killed
// it ends the run. So nothing of a hook survives a podhook that is killed by
// SIGKILL, which no process can handle itself.

// front starts the worker and returns its exit code. It reports false where there
// can be no worker: then the hook is run without a guard.
func (h *hookCall) front(ctx context.Context) (code int, done bool) {
	stops := make(chan os.Signal, 3)
	signal.Notify(stops, stopSignals()...)
	defer signal.Stop(stops)
	reaper := process.NewReaper()
	defer reaper.Close()
	if reaper.Subreaper() != nil {
		return 0, false
	}
	w, err := h.startWorker(reaper)
	if err != nil {
		return 0, false
	}
	defer w.close()
	ended := ctx.Done()
	for {
		select {
		case code := <-w.verdict:
			return code, true
		case <-w.silent:
			return h.workerDied(reaper, <-w.exited), true
		case s := <-stops:
			w.signal(s)
		case <-ended:
			w.signal(syscall.SIGTERM)
			ended = nil
		}
	}
}

// workerDied cleans up after a worker that could not tell how its run ended. The
// record says running and nobody holds the lock: so all see it as interrupted.
func (h *hookCall) workerDied(reaper *process.Reaper, exit process.Exit) int {
	reaper.KillDescendants(os.Getpid())
	if exit.Status.Signaled() {
		fmt.Fprintf(h.stderr, "podhook: hook %s interrupted: its process was killed by %s\n", h.name, unix.SignalName(exit.Status.Signal()))
		return 128 + int(exit.Status.Signal())
	}
	fmt.Fprintf(h.stderr, "podhook: hook %s interrupted: its process ended with code %d\n", h.name, exit.Status.ExitStatus())
	return hooks.ExitInterrupted
}

// worker is the front's side of one.
type worker struct {
	pid      int
	pidfd    int // -1 where the kernel gives none
	lifeline *os.File
	exited   <-chan process.Exit
	verdict  chan int
	silent   chan struct{} // closed when it ended without a verdict
}

func (h *hookCall) startWorker(reaper *process.Reaper) (*worker, error) {
	lifelineR, lifelineW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer lifelineR.Close()
	verdictR, verdictW, err := os.Pipe()
	if err != nil {
		_ = lifelineW.Close()
		return nil, err
	}
	defer verdictW.Close()
	w := &worker{pidfd: -1, lifeline: lifelineW, verdict: make(chan int, 1), silent: make(chan struct{})}
	argv := []string{"podhook", workerCommand, h.name}
	if h.force {
		argv = append(argv, "--force")
	}
	w.pid, w.exited, err = reaper.Start(func() (int, error) {
		return syscall.ForkExec("/proc/self/exe", argv, &syscall.ProcAttr{
			Env:   h.env,
			Files: []uintptr{0, 1, 2, lifelineFD: lifelineR.Fd(), verdictFD: verdictW.Fd()},
			Sys:   &syscall.SysProcAttr{PidFD: &w.pidfd},
		})
	})
	if err != nil {
		w.close()
		_ = verdictR.Close()
		return nil, err
	}
	go w.listen(verdictR)
	return w, nil
}

func (w *worker) listen(verdict *os.File) {
	defer verdict.Close()
	var code [1]byte
	if n, _ := verdict.Read(code[:]); n == 1 {
		w.verdict <- int(code[0])
		return
	}
	close(w.silent)
}

// signal forwards a stop signal. One that the worker cannot get any more has
// nothing to stop.
func (w *worker) signal(s os.Signal) {
	sig, ok := s.(syscall.Signal)
	switch {
	case !ok:
	case w.pidfd >= 0:
		_ = unix.PidfdSendSignal(w.pidfd, sig, nil, 0)
	default:
		_ = unix.Kill(w.pid, sig)
	}
}

func (w *worker) close() {
	_ = w.lifeline.Close()
	if w.pidfd >= 0 {
		_ = unix.Close(w.pidfd)
	}
}
