package mainprocess

import (
	"fmt"
	"os"
	"strings"

	"github.com/podhook/podhook/hooks"
)

// NoneError says that there is no such process now, and that none was seen in this
// instance.
type NoneError struct {
	Target Target
	// Why says what was searched, and what may be wrong with the target.
	Why string
}

func (e *NoneError) Error() string { return fmt.Sprintf("%s not found: %s", e.Target, e.Why) }

// GoneError says that the process has exited. It was seen before, by this process or by
// another one of this instance.
type GoneError struct {
	Target Target
	// PID is 0 where podhook run has not started the process yet.
	PID int
	// Recycled: another process has the PID now. It is left alone.
	Recycled bool
}

func (e *GoneError) Error() string {
	if e.PID == 0 {
		return "the main process has not been started yet"
	}
	s := fmt.Sprintf("%s: process %d has exited already", e.Target, e.PID)
	if e.Recycled {
		s += " (another process has its PID now)"
	}
	return s
}

// Unwrap makes it a *hooks.GoneError for hooks.
func (e *GoneError) Unwrap() error { return &hooks.GoneError{Why: e.Error()} }

// AmbiguousError says that several processes match, and that none of them is the
// ancestor of all others.
type AmbiguousError struct {
	Target     Target
	Candidates []Candidate
}

// Candidate is a process that matches. Name is its comm.
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
	return fmt.Sprintf("%s: %d processes match and none is the parent of the others: %s; use pidfile:PATH or pid:N",
		e.Target, len(e.Candidates), strings.Join(names, ", "))
}

// PermissionError says that this user may not see the program of a process whose name
// matches. Err is the error of the system call.
type PermissionError struct {
	Target Target
	PID    int
	Name   string
	Err    error
}

func (e *PermissionError) Error() string {
	return fmt.Sprintf("%s: user %d may not see the program of process %d (%s): %v; run podhook as the same user as the process (runAsUser), or use name:NAME or pidfile:PATH",
		e.Target, os.Geteuid(), e.PID, e.Name, e.Err)
}

func (e *PermissionError) Unwrap() error { return e.Err }

// PidfileError says that a pidfile cannot be read, contains no PID, or may mean an
// earlier process with the same PID.
type PidfileError struct {
	Path string
	Err  error
}

func (e *PidfileError) Error() string {
	return fmt.Sprintf("pidfile:%s: %v", e.Path, e.Err)
}

func (e *PidfileError) Unwrap() error { return e.Err }

// RefusedError says that the target is podhook itself or a kernel thread, which cannot be
// the main process.
type RefusedError struct {
	Target Target
	PID    int
	Why    string
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("%s: process %d is %s", e.Target, e.PID, e.Why)
}
