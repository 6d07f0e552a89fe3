package lifecycle

import (
	"errors"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

const (
	// killReserve is how long before kubelet a main process that outlives the
	// grace period is killed, so that poststop and the messages still happen, but
	// at most a quarter of the grace period.
	killReserve = 2 * time.Second
	// leastStop is what the main process gets in any case between its stop signal
	// and that. kubelet gives 2 s after a preStop that took all of the grace
	// period (kubelet.md, grace arithmetic).
	leastStop = time.Second
)

// Hold decides about a signal that has arrived. It returns true where the main
// process does not get it, or not now; it never waits.
func (l *Life) Hold(sig syscall.Signal) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	isStop := slices.Contains(l.StopSignals, sig)
	switch l.phase {
	case starting:
		if isStop && l.stop == 0 {
			l.stop = sig
			go l.Runner.Interrupt(&stopError{sig})
		}
		return isStop
	case running:
		if isStop {
			l.stop = sig
			l.beginStop()
		}
		return isStop
	case stopping:
		return l.holdImpatient(sig, isStop)
	}
	if isStop && l.StopSignal != 0 && l.phase == told {
		l.super.Deliver(l.StopSignal)
		return true
	}
	return false
}

// holdImpatient is Hold while shutdown goes on: the second stop signal changes
// nothing, the third, or QUIT where it is no stop signal, ends the waiting.
func (l *Life) holdImpatient(sig syscall.Signal, isStop bool) bool {
	switch {
	case isStop:
		if l.stops++; l.stops < 3 {
			return true
		}
	case sig != syscall.SIGQUIT:
		return false
	}
	l.phase = told
	go l.Runner.Interrupt(&stopError{sig})
	if isStop {
		l.super.Deliver(l.stopSignal())
	}
	return isStop
}

type stopError struct{ signal syscall.Signal }

func (e *stopError) Error() string { return "stopped by " + unix.SignalName(e.signal) }

// beginStop begins the grace period and runs shutdown before the main process is
// told. The caller holds the lock.
func (l *Life) beginStop() {
	l.phase, l.stops = stopping, 1
	now := time.Now()
	begin := l.graceBegan(now)
	l.Runner.BeginGrace(begin)
	if l.Grace.Period > 0 {
		reserve := min(killReserve, l.Grace.Period/4)
		kill := max(begin.Add(l.Grace.Period-reserve).Sub(now), leastStop)
		l.killer = time.AfterFunc(kill, l.kill)
	}
	go l.shutdown()
}

// graceBegan is when the grace period has begun: with the stop signal, or with the
// preStop before it, whose time kubelet counts too (kubelet.md, grace arithmetic).
func (l *Life) graceBegan(now time.Time) time.Time {
	if l.Store == nil {
		return now
	}
	rec, found, err := l.Store.Hook(config.Shutdown).Read()
	if err == nil && found && rec.Start.Before(now) && now.Sub(rec.Start) < l.Grace.Period {
		return rec.Start
	}
	return now
}

// shutdown runs the hook, or joins or finds the run that a preStop has begun, and
// then tells the main process.
func (l *Life) shutdown() {
	defer close(l.stopped)
	_, err := l.Runner.Call(l.ctx, config.Shutdown, hooks.Request{Trigger: state.TriggerSignal})
	var stopped *stopError
	if err != nil && !errors.As(err, &stopped) {
		l.Logger.Error("shutdown not run", "error", err.Error())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.phase == stopping {
		l.phase = told
		l.super.Deliver(l.stopSignal())
	}
}

// stopSignal is what the main process gets for the first stop signal.
func (l *Life) stopSignal() syscall.Signal {
	if l.StopSignal != 0 {
		return l.StopSignal
	}
	return l.stop
}

// kill ends a main process that has outlived the grace period.
func (l *Life) kill() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.phase == over {
		return
	}
	l.phase = told
	l.Logger.Error("main process killed, it has outlived the grace period", "grace", l.Grace.Period.String())
	l.super.Deliver(syscall.SIGKILL)
}
