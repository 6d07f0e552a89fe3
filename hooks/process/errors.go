package process

import (
	"errors"
	"fmt"
	"syscall"
)

// StartError says why a program could not be started.
type StartError struct {
	// Argv0 is the program as the caller named it.
	Argv0 string
	// Op is the operation that failed: "find", "chdir", "setuid", "prctl", "exec", "fork" or
	// "pipe".
	Op string
	// Reason says what is wrong with which file.
	Reason string
	// Err is the cause, usually a syscall.Errno.
	Err error
}

func (e *StartError) Error() string {
	return fmt.Sprintf("cannot start %q: %s", e.Argv0, e.Reason)
}

func (e *StartError) Unwrap() error { return e.Err }

// ExitCode returns the exit code of a shell in this case: 127 where the program or its
// interpreter was not found, and 126 where it cannot be executed (POSIX, Shell
// Command Language, 2.8.2).
func (e *StartError) ExitCode() int {
	if e.Op != "chdir" && errors.Is(e.Err, syscall.ENOENT) {
		return 127
	}
	return 126
}
