package supervisor

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/executable"
	"github.com/podhook/podhook/hooks/process/inherited"
)

// Command is a program that gets what podhook was started with: its directory,
// descriptors, limits, signal mask and ignored signals.
type Command struct {
	// Argv is the program and its arguments. The program is searched for in PATH as
	// execvp(3) does.
	Argv []string
	// Env is the whole environment.
	Env []string
}

// ExecError says that a program could not be executed.
type ExecError struct {
	Name string
	Err  error
}

func (e *ExecError) Error() string { return fmt.Sprintf("cannot execute %q: %v", e.Name, e.Err) }

// Unwrap returns the error of execve(2).
func (e *ExecError) Unwrap() error { return e.Err }

// ExitCode returns the exit code of a shell in this case: 127 where there is no such
// program, and 126 where it cannot be executed.
func (e *ExecError) ExitCode() int {
	if errors.Is(e.Err, syscall.ENOENT) {
		return 127
	}
	return 126
}

// shell executes files whose format the kernel does not know: execvp(3).
const shell = "/bin/sh"

func (c Command) image() (*image, error) {
	m := &image{tty: -1, cloneFlags: unix.CLONE_PIDFD, pidfd: -1, mask: uint64(inherited.Blocked()), slack: inherited.Slack()}
	var err error
	search := executable.Search{Path: executable.PathOf(c.Env)}
	if m.paths, err = pointers(search.Candidates(c.Argv[0])); err != nil {
		return nil, err
	}
	if m.argv, err = pointers(c.Argv); err != nil {
		return nil, err
	}
	if m.envv, err = pointers(c.Env); err != nil {
		return nil, err
	}
	sh, err := pointers([]string{shell, ""})
	if err != nil {
		return nil, err
	}
	m.shell = sh[0]
	m.shargv = append(sh[:2:2], m.argv[1:]...)
	m.paths = m.paths[:len(m.paths)-1]

	ignored := inherited.Ignored()
	for sig := range m.actions {
		if ignored.Has(syscall.Signal(sig)) {
			m.actions[sig].handler = 1 // SIG_IGN
		}
	}
	for fd := range m.shut {
		m.shut[fd] = inherited.Closed(fd)
	}
	m.nofile = loweredNoFile()
	return m, nil
}

// loweredNoFile returns the RLIMIT_NOFILE that Go's package syscall has raised, or nil
// where it has not, or where the limit was changed since.
func loweredNoFile() *unix.Rlimit {
	was, known := inherited.NoFile()
	var now unix.Rlimit
	if !known || unix.Prlimit(0, unix.RLIMIT_NOFILE, nil, &now) != nil {
		return nil
	}
	if now.Max != was.Max || now.Cur != was.Max-1 || now == was {
		return nil
	}
	return &was
}

// pointers makes a list for execve(2), with nil at its end.
func pointers(words []string) ([]*byte, error) {
	list := make([]*byte, 0, len(words)+1)
	for _, w := range words {
		p, err := syscall.BytePtrFromString(w)
		if err != nil {
			return nil, os.NewSyscallError("execve", err)
		}
		list = append(list, p)
	}
	return append(list, nil), nil
}
