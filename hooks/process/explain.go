package process

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/podhook/podhook/hooks/executable"
)

// explain finds out why execve(2) of path failed. ENOENT alone does not tell: the
// program, the interpreter of a script or the working directory may be missing.
func explain(spec *Spec, path string, err error) *StartError {
	e := &StartError{Argv0: spec.Argv[0], Op: "exec", Err: err}
	if errors.Is(err, ErrClosed) {
		e.Op, e.Reason = "fork", err.Error()
		return e
	}
	if confine := (*confineError)(nil); errors.As(err, &confine) {
		e.Op, e.Reason = "prctl", "the kernel does not take noNewPrivileges: prctl(PR_SET_NO_NEW_PRIVS): "+err.Error()
		return e
	}
	// exec(2) can return EPERM too, but for nothing that a container has.
	if u := spec.User; u != nil && err == syscall.EPERM {
		e.Op = "setuid"
		e.Reason = fmt.Sprintf("podhook (user %d) may not become user %d, group %d: it takes root with the capabilities SETUID and SETGID",
			os.Geteuid(), u.UID, u.GID)
		return e
	}
	if reason := wrongDir(spec.Dir); reason != "" {
		e.Op, e.Reason = "chdir", reason
		return e
	}
	switch err {
	case syscall.EAGAIN, syscall.ENOMEM:
		e.Op = "fork"
		e.Reason = "cannot create another process (" + err.Error() +
			"): check the container's limits of processes and memory, and RLIMIT_NPROC"
	case syscall.EMFILE, syscall.ENFILE:
		e.Op = "pipe"
		e.Reason = "cannot open another file (" + err.Error() + "): check RLIMIT_NOFILE"
	case syscall.E2BIG:
		e.Reason = tooLong(spec)
	case syscall.ETXTBSY:
		e.Reason = path + " is still open for writing in another process"
	case syscall.EINVAL:
		e.Reason = whyInvalid(spec, err)
	default:
		e.Reason = whyNot(spec, path, err)
	}
	return e
}

// wrongDir returns why a program cannot start in a directory, or nothing.
func wrongDir(dir string) string {
	if dir == "" {
		return ""
	}
	if err := executable.CheckDir(dir); err != nil {
		return "working directory " + dir + ": " + err.Error()
	}
	return ""
}

// whyNot finds out what is wrong with the file. If this user sees nothing wrong, the
// user of the program may: then the reason is err.
func whyNot(spec *Spec, path string, err error) string {
	search := spec.search()
	here := search.At(path)
	reason := err.Error()
	if _, why := search.Check(here); why != nil {
		reason = why.Error()
	} else if err == syscall.ENOEXEC && executable.IsELF(here) {
		reason = "not for this machine: " + reason
	}
	if here == spec.Argv[0] {
		return reason // StartError names it already
	}
	return here + ": " + reason
}

// longestString is MAX_ARG_STRLEN of execve(2).
const longestString = 128 << 10

func tooLong(spec *Spec) string {
	total := 0
	for what, list := range map[string][]string{"argument": spec.Argv, "environment entry": spec.Env} {
		for i, s := range list {
			total += len(s) + 1
			if len(s) >= longestString {
				return fmt.Sprintf("%s %d has %d bytes: one may have %d at most",
					what, i, len(s), longestString-1)
			}
		}
	}
	return fmt.Sprintf("arguments and environment have %d bytes: that is more than the limit", total)
}

func whyInvalid(spec *Spec, err error) string {
	for i, s := range spec.Argv {
		if strings.IndexByte(s, 0) >= 0 {
			return fmt.Sprintf("argument %d contains a NUL byte", i)
		}
	}
	for _, s := range spec.Env {
		if name, _, _ := strings.Cut(s, "="); strings.IndexByte(s, 0) >= 0 {
			return fmt.Sprintf("environment variable %q contains a NUL byte", name)
		}
	}
	if strings.IndexByte(spec.Dir, 0) >= 0 {
		return "the working directory contains a NUL byte"
	}
	return spec.Argv[0] + ": " + err.Error()
}
