package supervisor

import (
	"runtime"
	"syscall"
)

// Exec replaces podhook by the program: with podhook disabled, nothing of it
// stays. It returns only where that failed, with an *ExecError.
func (c Command) Exec() error {
	m, err := c.image()
	if err != nil {
		return &ExecError{c.Argv[0], err}
	}
	var failure syscall.Errno
	m.failure = &failure
	// What is restored is this thread's, which becomes the process.
	runtime.LockOSThread()
	m.restore()
	m.exec()
	return &ExecError{c.Argv[0], failure}
}
