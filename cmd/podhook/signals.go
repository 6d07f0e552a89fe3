package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// stopSignals are what asks a command to stop.
func stopSignals() []os.Signal {
	return []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT}
}

// untilStopped returns a context that a stop signal cancels with *stoppedBy as
// its cause. As PID 1 a process gets no signal that it has no handler for, so
// every command that waits needs this.
func untilStopped(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stops := make(chan os.Signal, 1)
	signal.Notify(stops, stopSignals()...)
	go func() {
		select {
		case s := <-stops:
			if sig, ok := s.(syscall.Signal); ok {
				cancel(&stoppedBy{sig})
			}
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(stops)
		cancel(context.Canceled)
	}
}

// survivePipes lets a write to a closed stdout or stderr fail instead of ending
// podhook in the middle of a hook. The disposition is not "ignored", because
// children would inherit that.
func survivePipes() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }
