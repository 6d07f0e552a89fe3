package kubelet

import (
	"context"
	"io"
	"syscall"
)

// Runtime is what kubelet asks of a container runtime.
type Runtime interface {
	// Start starts a new instance of a container; number counts its starts from
	// 1. An error says that its first process could not be started.
	Start(c Container, number int) (Process, error)
}

// Process is one instance of a container. Its methods may be called by many
// goroutines, and after its death too.
type Process interface {
	// Address is the pod's IP address.
	Address() string
	// Exec runs argv in the container, with stdin from /dev/null and no TTY,
	// until it has ended and closed its output, and returns its exit code.
	// SIGKILL ends it when ctx is done or the container dies. An error says
	// that it could not be run.
	Exec(ctx context.Context, argv []string, output io.Writer) (int, error)
	// Signal signals the container's first process alone.
	Signal(sig syscall.Signal) error
	// Kill kills everything in the container.
	Kill() error
	// Wait returns when nothing of the container is left.
	Wait() Exit
}

// Exit is the end of a container's first process.
type Exit struct {
	// Code is the exit code; 128+n where signal n killed it.
	Code int
	// Signal is the signal that killed it; 0 where it exited.
	Signal syscall.Signal
	// OOMKilled says that the kernel killed it for want of memory.
	OOMKilled bool
	// TerminationMessage is what it wrote to its termination log, uncut.
	TerminationMessage string
}
