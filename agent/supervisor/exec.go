package supervisor

import (
	"runtime"
	"syscall"
)

// Exec replaces podhook by the program, so that nothing of a disabled podhook is left. It
// returns only on failure, with an *ExecError.
func (c Command) Exec() error {
	m, err := c.image()
	if err != nil {
		return &ExecError{c.Argv[0], err}
	}
	var failure syscall.Errno
	m.failure = &failure
	// restore changes this thread only, which becomes the process.
	runtime.LockOSThread()
	m.restore()
	m.exec()
	return &ExecError{c.Argv[0], failure}
}
