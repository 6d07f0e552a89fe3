package mainprocess

import (
	"fmt"
	"os"
	"strings"
)

// ErrNone is what errors.Is finds in every error that means: there is no main
// process now. Those are *NoneError and *GoneError.
const ErrNone = sentinel("there is no main process")

type sentinel string

func (s sentinel) Error() string { return string(s) }

// NoneError: no process matches an exe or name target.
type NoneError struct {
	Target Target
	// Seen is how many processes were looked at; Unreadable is how many of
	// them did not let this user see which program they run.
	Seen, Unreadable int
}

func (e *NoneError) Error() string {
	s := fmt.Sprintf("no process matches %s among the %d that can be seen", e.Target, e.Seen)
	if e.Unreadable > 0 {
		s += fmt.Sprintf(" (%d of them do not let user %d see their program)", e.Unreadable, os.Geteuid())
	}
	return s + "; a sidecar sees other containers' processes only with shareProcessNamespace: true"
}

func (e *NoneError) Is(target error) bool { return target == ErrNone }

// GoneError: the process that a pid or pidfile target names has exited.
type GoneError struct {
	Target Target
	// PID is 0 where podhook run has not started it yet.
	PID int
	// Recycled: the number now belongs to another process, which is left alone.
	Recycled bool
}

func (e *GoneError) Error() string {
	if e.PID == 0 {
		return "the main process has not been started yet"
	}
	s := fmt.Sprintf("main process %s: process %d is gone", e.Target, e.PID)
	if e.Recycled {
		s += " (another process has got its number since)"
	}
	return s
}

func (e *GoneError) Is(target error) bool { return target == ErrNone }

// AmbiguousError: several processes match, and none of them is the ancestor of
// all the others.
type AmbiguousError struct {
	Target     Target
	Candidates []Candidate
}

// Candidate is a process that matches; Name is its comm.
type Candidate struct {
	PID  int
	Name string
}

func (e *AmbiguousError) Error() string {
	const most = 10
	var names []string
	for i, c := range e.Candidates {
		if i == most {
			names = append(names, fmt.Sprintf("%d more", len(e.Candidates)-most))
			break
		}
		names = append(names, fmt.Sprintf("%d (%s)", c.PID, c.Name))
	}
	return fmt.Sprintf("main process %s: %d processes match and none is the parent of the others: %s; use pidfile:PATH or pid:N",
		e.Target, len(e.Candidates), strings.Join(names, ", "))
}

// PermissionError: this user may not do Op ("signal" or "see the program of")
// with a process. Err is the system call's error.
type PermissionError struct {
	Op   string
	PID  int
	Name string
	Err  error
}

func (e *PermissionError) Error() string {
	return fmt.Sprintf("user %d may not %s process %d (%s): %v; run podhook as the same user as the main process (runAsUser), in a sidecar together with shareProcessNamespace: true",
		os.Geteuid(), e.Op, e.PID, e.Name, e.Err)
}

func (e *PermissionError) Unwrap() error { return e.Err }

// PidfileError: a pidfile that cannot be read or does not hold a PID.
// errors.Is(err, fs.ErrNotExist) tells one that is not there (yet, or any more).
type PidfileError struct {
	Path string
	Err  error
}

func (e *PidfileError) Error() string {
	return fmt.Sprintf("pidfile %s: %v", e.Path, e.Err)
}

func (e *PidfileError) Unwrap() error { return e.Err }

// RefusedError: the target names a process that is never taken for the main
// process: podhook itself or a kernel thread.
type RefusedError struct {
	Target Target
	PID    int
	Why    string
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("main process %s: process %d is %s", e.Target, e.PID, e.Why)
}
