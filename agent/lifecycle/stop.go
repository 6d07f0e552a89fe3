package lifecycle

import (
	"errors"
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
	// patience is how many stop signals it takes to end the waiting.
	patience = 3
)

type stopError struct{ signal syscall.Signal }

func (e *stopError) Error() string { return "stopped by " + unix.SignalName(e.signal) }

// Hold decides about a signal that has arrived. It returns true where the main
// process does not get it, or not now; it never waits for a hook.
func (l *Life) Hold(sig syscall.Signal) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	given, isStop := l.StopSignals[sig]
	if isStop {
		l.stops++
		l.Logger.Info("stop signal received", "signal", unix.SignalName(sig), "count", l.stops)
	}
	impatient := isStop && l.stops >= patience || !isStop && sig == syscall.SIGQUIT
	switch l.phase {
	case starting:
		if isStop && l.stop == 0 {
			l.stop = sig
			l.callOff(config.Prestart, &stopError{sig})
		}
	case running:
		if isStop {
			l.stop = sig
			l.beginStop()
		}
	case stopping:
		if impatient {
			l.callOff(config.Shutdown, &stopError{sig})
			l.told()
			return isStop && l.give(sig, given)
		}
	case ending:
		return isStop && l.give(sig, given)
	case over:
		l.hurry(sig, isStop, impatient)
	}
	return isStop
}

// give gives the main process its signal for a stop signal that goes through. One
// that is to go as it came is not held: what came with it goes too.
func (l *Life) give(sig, given syscall.Signal) (held bool) {
	if given == sig {
		return false
	}
	l.deliver(given)
	return true
}

// beginStop begins the grace period and runs shutdown before the main process is
// told. The caller holds the lock.
func (l *Life) beginStop() {
	l.phase = stopping
	l.callOff(config.Prestart, &stopError{l.stop})
	l.grace = time.Now()
	l.timer = time.AfterFunc(l.killIn(), l.graceEnds)
	go l.shutdown()
}

// shutdown runs the hook, or joins or finds the run that a preStop has begun, and
// then tells the main process.
func (l *Life) shutdown() {
	defer close(l.stopped)
	l.countPreStop()
	_, err := l.call(config.Shutdown, hooks.Request{Trigger: state.TriggerSignal})
	var stopped *stopError
	if err != nil && !errors.As(err, &stopped) {
		l.Logger.Error("shutdown not run", "error", err.Error())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.phase == stopping {
		l.tell()
	}
}

// countPreStop lets the grace period begin with the preStop before the stop signal,
// whose time kubelet counts too (kubelet.md, grace arithmetic).
func (l *Life) countPreStop() {
	began, found := l.preStop()
	l.mu.Lock()
	defer l.mu.Unlock()
	if found && began.Before(l.grace) && l.phase == stopping && l.timer.Stop() {
		l.grace = began
		l.timer.Reset(l.killIn())
	}
	l.Runner.BeginGrace(l.grace)
}

// preStop is when a shutdown of this grace period was called before podhook itself
// was told to stop.
func (l *Life) preStop() (began time.Time, found bool) {
	if l.Store == nil {
		return time.Time{}, false
	}
	rec, found, err := l.Store.Hook(config.Shutdown).Read()
	if err != nil || !found || time.Since(rec.Start) >= l.Grace.Period {
		return time.Time{}, false
	}
	return rec.Start, true
}

// tell gives the main process its stop signal. The caller holds the lock.
func (l *Life) tell() {
	l.told()
	l.deliver(l.StopSignals[l.stop])
}

// deliver sends the main process a signal and says so in the log where it did not
// get it.
func (l *Life) deliver(sig syscall.Signal) (delivered bool) {
	err := l.super.Deliver(sig)
	if err != nil {
		l.Logger.Error("signal lost, the main process did not get it", "signal", unix.SignalName(sig), "error", err.Error())
	}
	return err == nil
}

// told leaves the main process the time that it has from its stop signal on. The
// caller holds the lock.
func (l *Life) told() {
	l.phase = ending
	l.timer.Reset(max(l.killIn(), leastStop))
}

// killIn is how long a main process that outlives the grace period is let live.
func (l *Life) killIn() time.Duration {
	reserve := min(killReserve, l.Grace.Period/4)
	return time.Until(l.grace.Add(l.Grace.Period - reserve))
}

// graceEnds tells a main process that still waits for shutdown to stop, and kills
// one that was told.
func (l *Life) graceEnds() {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch l.phase {
	case stopping:
		l.callOff(config.Shutdown, errGraceEnds)
		l.tell()
	case ending:
		if l.deliver(syscall.SIGKILL) {
			l.Logger.Error("main process killed, it has outlived the grace period", "grace", l.Grace.Period.String())
			l.Killed(l.Grace.Period)
		}
	}
}

var errGraceEnds = errors.New("the grace period ends")
