package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks"
)

// stopSignals are the signals that ask a command to stop.
func stopSignals() []os.Signal {
	return []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT}
}

// untilStopped returns a context that a stop signal cancels with *stoppedBy as its
// cause. Every command that waits needs it: the kernel drops signals to a PID 1 that
// has no handler for them (pid_namespaces(7)).
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

// stoppedBy is the cause of a context that a stop signal has cancelled.
type stoppedBy struct{ signal syscall.Signal }

func (e *stoppedBy) Error() string { return "stopped by " + e.signal.String() }

// interruptedCode returns 128+n if signal n has cancelled ctx.
func interruptedCode(ctx context.Context) int {
	var by *stoppedBy
	if errors.As(context.Cause(ctx), &by) {
		return 128 + int(by.signal)
	}
	return hooks.ExitInterrupted
}

// survivePipes makes a write to a closed stdout or stderr return an error instead of
// ending podhook. Package os ends a process for that. SIGPIPE is not ignored, because
// children inherit an ignored signal.
func (inv *invocation) survivePipes() {
	inv.stdout, inv.stderr = withoutSIGPIPE(inv.stdout), withoutSIGPIPE(inv.stderr)
}

func withoutSIGPIPE(w io.Writer) io.Writer {
	if file, ok := w.(*os.File); ok {
		return stream{file}
	}
	return w
}

// stream is a standard stream that is written to by system calls.
type stream struct{ file *os.File }

// Write is the method of io.Writer.
func (s stream) Write(p []byte) (n int, err error) {
	fd := int(s.file.Fd())
	for n < len(p) {
		wrote, err := unix.Write(fd, p[n:])
		switch err {
		case nil:
			n += wrote
		case unix.EINTR:
		case unix.EAGAIN: // another process has made it non-blocking
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, -1)
		default:
			return n, os.NewSyscallError("write", err)
		}
	}
	return n, nil
}
