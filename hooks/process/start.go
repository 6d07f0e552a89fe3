package process

import (
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/podhook/podhook/hooks/executable"
	"github.com/podhook/podhook/hooks/process/inherited"
)

// busyWait is how long a start is retried while another process has the program open
// for writing. A step that has just written a script may have a child that still does.
const busyWait = 100 * time.Millisecond

// child is a program that was started.
type child struct {
	pid    int
	pidfd  int // -1 where the kernel gives none
	exited <-chan syscall.WaitStatus
}

// spawn starts the program of spec with the given outputs, which it closes.
//
// The child dies with podhook (PR_SET_PDEATHSIG). To the kernel that means the thread
// that forked. Go ends a thread only when a goroutine that is locked to it returns, so
// Run must not be called from such a goroutine. The child gets the resource limits that
// podhook was started with, because syscall.ForkExec restores RLIMIT_NOFILE, and the
// signal mask that podhook was started with: under podhook run, the threads block
// nearly all signals.
func (r *Reaper) spawn(spec *Spec, stdout, stderr int) (child, error) {
	// Closed under the reaper's lock after a fork. Otherwise the child of another run
	// would hold the write ends open until its exec.
	closeOutputs := func() {
		closeFD(stdout)
		closeFD(stderr)
		stdout, stderr = -1, -1
	}
	defer closeOutputs()
	inherits := spec.Dir == ""
	if inherits {
		spec.Dir = r.directory()
	}
	path, err := findProgram(spec)
	if err != nil {
		return child{}, err
	}
	c := child{pidfd: -1}
	attr := &syscall.ProcAttr{
		Env:   spec.Env,
		Files: []uintptr{0, uintptr(stdout), uintptr(stderr)},
		Sys:   &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL},
	}
	if !inherits {
		attr.Dir = spec.Dir
	}
	if u := spec.User; u != nil {
		attr.Sys.Credential = &syscall.Credential{Uid: u.UID, Gid: u.GID}
	}
	if r.hasPidfd {
		attr.Sys.PidFD = &c.pidfd
	}
	fork := func() (int, error) {
		if spec.NoNewPrivileges {
			if err := r.confined.begin(); err != nil {
				return 0, &confineError{err}
			}
		}
		null, err := r.null.open()
		if err != nil {
			return 0, err
		}
		attr.Files[0] = uintptr(null)
		var pid int
		start := func() { pid, err = inherited.ForkExec(path, spec.Argv, attr) }
		if inherits && r.dir != "" {
			if err := os.Chdir(r.dir); err != nil {
				return 0, err
			}
			defer os.Chdir("/")
		}
		if spec.NoNewPrivileges {
			r.confined.do(start)
		} else {
			start()
		}
		if err == nil {
			closeOutputs()
		}
		return pid, err
	}
	for giveUp := time.Now().Add(busyWait); ; time.Sleep(5 * time.Millisecond) {
		c.pid, c.exited, err = r.Start(fork)
		if err == nil {
			return c, nil
		}
		if err != syscall.ETXTBSY || time.Now().After(giveUp) {
			return child{}, explain(spec, path, err)
		}
	}
}

// findProgram searches for Argv[0] as execvp(3) does, in PATH of the program's own
// environment. A relative result is relative to the program's working directory.
func findProgram(spec *Spec) (string, error) {
	if len(spec.Argv) == 0 {
		return "", &StartError{Op: "find", Reason: "no program is given", Err: syscall.EINVAL}
	}
	path, err := spec.search().Find(spec.Argv[0])
	if err == nil {
		return path, nil
	}
	e := &StartError{Argv0: spec.Argv[0], Op: "find", Reason: err.Error(), Err: errors.Unwrap(err)}
	if path != "" {
		e.Op = "exec"
	} else if reason := wrongDir(spec.Dir); reason != "" {
		e.Op, e.Reason = "chdir", reason
	}
	return "", e
}

func (s *Spec) search() executable.Search {
	return executable.Search{Path: executable.PathOf(s.Env), Dir: s.Dir}
}

// nullInput is the standard input of all programs. The lock of the Reaper guards it.
type nullInput struct {
	fd   int
	have bool
}

func (n *nullInput) open() (int, error) {
	if n.have {
		return n.fd, nil
	}
	fd, err := syscall.Open("/dev/null", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if errors.Is(err, syscall.ENOENT) {
		// Without /dev, a pipe that nobody writes to is as empty.
		var p [2]int
		if err = syscall.Pipe2(p[:], syscall.O_CLOEXEC); err == nil {
			fd = p[0]
			syscall.Close(p[1])
		}
	}
	if err != nil {
		return -1, err
	}
	n.fd, n.have = fd, true
	return fd, nil
}

func (n *nullInput) close() {
	if n.have {
		syscall.Close(n.fd)
		n.have = false
	}
}
