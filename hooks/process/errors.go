package process

import (
	"errors"
	"fmt"
	"syscall"
)

// StartError says why a program could not be started.
type StartError struct {
	// Argv0 is the program as it was asked for.
	Argv0 string
	// Op is what failed: "find", "chdir", "setuid", "exec", "fork" or "pipe".
	Op string
	// Reason is the sentence for a person: what is wrong with which file.
	Reason string
	// Err is the cause, mostly a syscall.Errno.
	Err error
}

func (e *StartError) Error() string {
	return fmt.Sprintf("cannot start %q: %s", e.Argv0, e.Reason)
}

func (e *StartError) Unwrap() error { return e.Err }

// ExitCode is what a shell would have exited with: 127 where the program, or
// what it needs to be run by, was not found, 126 where it cannot be executed
// (POSIX, Shell Command Language, 2.8.2).
func (e *StartError) ExitCode() int {
	if e.Op != "chdir" && errors.Is(e.Err, syscall.ENOENT) {
		return 127
	}
	return 126
}
