package kubelet

import (
	"context"
	"io"
	"syscall"
)

// Runtime is a container runtime.
type Runtime interface {
	// Start starts a new instance of a container. number counts the starts from 1. It
	// returns an error if the first process could not be started.
	Start(c Container, number int) (Process, error)
}

// Process is one instance of a container. It is safe for concurrent use, also after its
// death.
type Process interface {
	// Address is the pod's IP address.
	Address() string
	// Exec runs argv in the container, with stdin from /dev/null and no TTY, until it has
	// ended and closed its output, and returns its exit code. SIGKILL ends it when ctx is
	// done or the container dies. It returns an error if argv could not be run.
	Exec(ctx context.Context, argv []string, output io.Writer) (int, error)
	// Signal signals only the first process of the container.
	Signal(sig syscall.Signal) error
	// Kill kills everything in the container.
	Kill() error
	// Wait returns when nothing of the container is left.
	Wait() Exit
}

// Exit is the end of a container's first process.
type Exit struct {
	// Code is the exit code, or 128+n if signal n has killed it.
	Code int
	// Signal is the signal that has killed it, or 0.
	Signal syscall.Signal
	// OOMKilled says that the kernel has killed it because memory ran out.
	OOMKilled bool
	// TerminationMessage is the whole text of its termination log.
	TerminationMessage string
}
