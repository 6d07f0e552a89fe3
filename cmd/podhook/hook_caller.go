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

// An exec'd hook that has work to do is two processes. The caller is what kubelet
// has started: it waits, forwards stop signals, and if the worker is killed it
// kills what the worker has left behind. The worker (hook_worker.go) runs the
// hook, and if the caller is killed it goes on: a kubelet that restarts kills its
// callers, and never calls postStart again (deploy/kubernetes/kubelet.md).

// callWorker starts the worker and returns its exit code. It reports false where
// there can be no worker: then the hook is run without one.
func (h *hookCall) callWorker(ctx context.Context) (code int, done bool) {
	stops := make(chan os.Signal, 3)
	signal.Notify(stops, stopSignals()...)
	defer signal.Stop(stops)
	reaper := process.NewReaper()
	defer reaper.Close()
	_ = reaper.Subreaper() // the worker, which needs it more, says where it cannot be
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
				<-w.exited // reaped here: PID 1 may be one that does not reap
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

// workerDied cleans up after a worker that could not tell how its run ended. The
// record says running and nobody holds the lock: so all see it as interrupted.
func (h *hookCall) workerDied(reaper *process.Reaper, status syscall.WaitStatus) int {
	reaper.KillDescendants(h.remains())
	if status.Signaled() {
		fmt.Fprintf(h.stderr, "podhook: hook %s interrupted: its process was killed by %s\n", h.name, unix.SignalName(status.Signal()))
		return process.ExitCode(status)
	}
	fmt.Fprintf(h.stderr, "podhook: hook %s interrupted: its process ended with code %d\n", h.name, status.ExitStatus())
	return hooks.ExitInterrupted
}

// remains tells what the worker's run has left from what may live on.
func (h *hookCall) remains() (of process.Remains) {
	if h.store != nil {
		if rec, found, err := h.store.Hook(h.name).Read(); err == nil && found {
			of = hooks.Remains(rec)
		}
	}
	return of
}

// worker is the caller's side of one.
type worker struct {
	lifeline *os.File
	exited   <-chan syscall.WaitStatus
	verdict  chan verdict
	silent   chan struct{} // closed when it ended without a verdict
}

// startWorker gives the worker a session of its own: what is sent to the caller's
// process group is forwarded to it or, if it is SIGKILL, does not reach it.
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
			Env:   h.env,
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

func (w *worker) listen(r *os.File) {
	defer r.Close()
	if v, ok := readVerdict(r); ok {
		w.verdict <- v
		return
	}
	close(w.silent)
}

// stop forwards a stop signal. It takes a byte and not kill(2), which a seccomp
// profile may deny; a worker that has gone has nothing to stop.
func (w *worker) stop(s os.Signal) {
	if sig, ok := s.(syscall.Signal); ok {
		_, _ = w.lifeline.Write([]byte{byte(sig)})
	}
}
