package lifecycle

import (
	"context"
	"errors"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/agent/supervisor"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

const (
	// recordSlack is what a run of another process may take beyond its deadline to
	// kill what is left and to write its record.
	recordSlack = 5 * time.Second
	// callerSlack is what an exec'd hook may take from the end of a run to its own,
	// by which kubelet learns the outcome.
	callerSlack = 2 * time.Second
)

// ended does what follows the end of the main process, in what is left of the
// grace period where there is one.
func (l *Life) ended(status syscall.WaitStatus) {
	l.Main.exited()
	l.mu.Lock()
	asked := l.phase == stopping || l.phase == ending
	l.phase = over
	if asked {
		l.timer.Stop()
	}
	l.mu.Unlock()
	l.Runner.Interrupt(errors.New("the main process has ended"), func(hook string) bool { return hook != config.Shutdown })
	l.boundRest(asked)
	if asked {
		<-l.stopped
	}
	l.finishShutdown()
	l.poststop(status)
	l.answerCallers(config.Shutdown)
}

// boundRest ends what follows the main process with the grace period, where a stop
// signal or a preStop has begun it.
func (l *Life) boundRest(asked bool) {
	began, found := l.preStop()
	l.mu.Lock()
	defer l.mu.Unlock()
	if asked && (!found || l.grace.Before(began)) {
		began = l.grace
	}
	if asked || found {
		l.endRestIn(began)
	}
}

// endRestIn lets the grace period have begun then. The caller holds the lock.
func (l *Life) endRestIn(began time.Time) {
	l.grace = began
	l.Runner.BeginGrace(began)
	l.timer = time.AfterFunc(time.Until(began.Add(l.Grace.Period-endReserve-quickEnd)), func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.endNow(errGraceEnds)
	})
}

// finishShutdown waits for a shutdown that somebody has called and that goes on:
// its caller gets its answer, and preStop no FailedPreStopHook.
func (l *Life) finishShutdown() {
	_ = l.Runner.Wait(l.rest) // the runs of this process, kubelet's httpGet among them
	if l.Store == nil {
		return
	}
	hook := l.Store.Hook(config.Shutdown)
	rec, found, err := hook.Read()
	if err != nil || !found || rec.Outcome != state.Running {
		return
	}
	// A run of another process: an exec'd one. It is done when its lock is free.
	ctx, cancel := context.WithDeadline(l.rest, rec.Deadline.Add(recordSlack))
	defer cancel()
	if lock, err := hook.Lock(ctx); err == nil {
		_ = lock.Unlock() // it was taken only to wait for who held it
	}
}

// answerCallers gives exec'd hooks that have the outcome of a run the time to end
// by themselves: with PID 1 they would be killed, which kubelet takes for their
// failure.
func (l *Life) answerCallers(hook string) {
	if l.Store == nil {
		return
	}
	ctx, cancel := context.WithTimeout(l.rest, callerSlack)
	defer cancel()
	_ = l.Store.Hook(hook).WaitForCallers(ctx) // one that does not end is not waited for
}

func (l *Life) poststop(status syscall.WaitStatus) {
	if l.empty(config.Poststop) {
		return
	}
	environ := []string{"PODHOOK_MAIN_EXIT_CODE=" + strconv.Itoa(supervisor.ExitCode(status))}
	if status.Signaled() {
		environ = append(environ, "PODHOOK_MAIN_EXIT_SIGNAL="+unix.SignalName(status.Signal()))
	}
	// One that was tried by hand before knew nothing of the end.
	request := hooks.Request{Trigger: state.TriggerStart, Environ: environ, Force: true}
	if _, err := l.call(config.Poststop, request); err != nil {
		l.Logger.Error("poststop not run", "error", err.Error())
	}
}

// hurry is Hold after the end of the main process: the first stop signal bounds
// what is still to be done, an impatient one ends it. The caller holds the lock.
func (l *Life) hurry(sig syscall.Signal, isStop, impatient bool) {
	switch {
	case impatient:
		l.endNow(&stopError{sig})
	case isStop && l.grace.IsZero():
		l.endRestIn(time.Now())
	}
}

const (
	// endReserve is what is left of the grace period for podhook's own end.
	endReserve = 200 * time.Millisecond
	// quickEnd is what the hooks then have to end in; a poststop that began within
	// the grace period has used up its budget by then.
	quickEnd = 250 * time.Millisecond
)

// endNow ends everything but podhook's own end. The caller holds the lock.
func (l *Life) endNow(cause error) {
	l.callOff(config.Shutdown, cause)
	l.callOff(config.Poststop, cause)
	time.AfterFunc(quickEnd, l.endRest)
}
