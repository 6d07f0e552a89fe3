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

// An exec'd hook that has work to do is two processes. kubelet starts the caller,
// which waits, forwards stop signals, and kills what a killed worker leaves behind.
// The worker (hook_worker.go) runs the hook, and goes on when the caller is killed:
// a kubelet that restarts kills its callers, and does not call postStart again
// (deploy/kubernetes/kubelet.md).

// callWorker starts the worker and returns its exit code, or false if no worker can
// be started.
func (h *hookCall) callWorker(ctx context.Context) (code int, done bool) {
	stops := make(chan os.Signal, 3)
	signal.Notify(stops, stopSignals()...)
	defer signal.Stop(stops)
	reaper := process.NewReaper()
	defer reaper.Close()
	_ = reaper.Subreaper() // the worker logs an error of its own
	w, err := h.startWorker(reaper)
	if err != nil {
		return 0, false
	}
	defer w.lifeline.Close()
	ended := ctx.Done()
	for {
		select {
		case v := <-w.verdict:
			if !v.stays {
				<-w.exited // reaped here, because PID 1 may not reap
			}
			return v.code, true
		case <-w.silent:
			return h.workerDied(reaper, <-w.exited), true
		case s := <-stops:
			w.stop(s)
		case <-ended:
			w.stop(syscall.SIGTERM)
			ended = nil
		}
	}
}

// workerDied cleans up after a worker that has ended without a verdict. Its record
// says running while nobody holds the lock, which everybody reads as interrupted.
func (h *hookCall) workerDied(reaper *process.Reaper, status syscall.WaitStatus) int {
	reaper.KillDescendants(h.remains())
	if status.Signaled() {
		fmt.Fprintf(h.inv.stderr, "podhook: hook %s interrupted: its process was killed by %s\n", h.name, unix.SignalName(status.Signal()))
		return process.ExitCode(status)
	}
	fmt.Fprintf(h.inv.stderr, "podhook: hook %s interrupted: its process ended with code %d\n", h.name, status.ExitStatus())
	return hooks.ExitInterrupted
}

// remains tells the processes that a dead run has left behind from those that may
// live on.
func (h *hookCall) remains() process.Remains {
	if h.container.store != nil {
		if rec, found, err := h.container.store.Hook(h.name).Read(); err == nil && found {
			return hooks.Remains(rec)
		}
	}
	return process.Remains{}
}

// worker is the worker as its caller sees it.
type worker struct {
	lifeline *os.File
	exited   <-chan syscall.WaitStatus
	verdict  chan verdict
	silent   chan struct{} // closed when the worker ends without a verdict
}

// startWorker starts the worker in a session of its own, so that a signal to the
// process group of the caller does not reach it directly.
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
	w := &worker{lifeline: lifelineW, verdict: make(chan verdict, 1), silent: make(chan struct{})}
	argv := []string{"podhook", workerCommand, h.name}
	if h.force {
		argv = append(argv, "--force")
	}
	_, w.exited, err = reaper.Start(func() (int, error) {
		return syscall.ForkExec("/proc/self/exe", argv, &syscall.ProcAttr{
			Env:   h.inv.env,
			Files: []uintptr{0, 1, 2, lifelineFD: lifelineR.Fd(), verdictFD: verdictW.Fd()},
			Sys:   &syscall.SysProcAttr{Setsid: true},
		})
	})
	if err != nil {
		_ = lifelineW.Close()
		_ = verdictR.Close()
		return nil, err
	}
	go w.listen(verdictR)
	return w, nil
}

// listen waits for the verdict or for the end of the worker.
func (w *worker) listen(r *os.File) {
	defer r.Close()
	if v, ok := readVerdict(r); ok {
		w.verdict <- v
		return
	}
	close(w.silent)
}

// stop forwards a stop signal through the lifeline, because a seccomp profile can
// deny kill(2).
func (w *worker) stop(s os.Signal) {
	if sig, ok := s.(syscall.Signal); ok {
		_, _ = w.lifeline.Write([]byte{byte(sig)})
	}
}
