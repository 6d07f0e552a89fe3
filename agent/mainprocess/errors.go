package mainprocess

import (
	"fmt"
	"os"
	"strings"

	"github.com/podhook/podhook/hooks"
)

// NoneError: there is no such process now. Whether there was one is another
// question, which a Finder answers.
type NoneError struct {
	Target Target
	// Why is what a person needs to find the mistake, if it is one.
	Why string
}

func (e *NoneError) Error() string { return fmt.Sprintf("%s not found: %s", e.Target, e.Why) }

// GoneError: the process was seen, by this process or by another one of this
// instance, and has exited.
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
	s := fmt.Sprintf("%s: process %d has exited already", e.Target, e.PID)
	if e.Recycled {
		s += " (another process has got its number since)"
	}
	return s
}

// Unwrap makes it a *hooks.GoneError for hooks.
func (e *GoneError) Unwrap() error { return &hooks.GoneError{Why: e.Error()} }

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
	return fmt.Sprintf("%s: %d processes match and none is the parent of the others: %s; use pidfile:PATH or pid:N",
		e.Target, len(e.Candidates), strings.Join(names, ", "))
}

// PermissionError: this user may not see which program a process runs, whose name
// suggests that it is the one. Err is the system call's error.
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

// PidfileError: a pidfile that cannot be read, does not hold a PID, or may mean
// an earlier process of the same number.
type PidfileError struct {
	Path string
	Err  error
}

func (e *PidfileError) Error() string {
	return fmt.Sprintf("pidfile:%s: %v", e.Path, e.Err)
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
	return fmt.Sprintf("%s: process %d is %s", e.Target, e.PID, e.Why)
}
