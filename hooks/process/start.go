package process

import (
	"errors"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/process/inherited"
)

// busyWait is how long a start is tried again while somebody still has the
// program open for writing, as a step that has just written a script may have
// through a child of its own.
const busyWait = 100 * time.Millisecond

// child is a program that was started.
type child struct {
	pid    int
	pidfd  int // -1 where the kernel gives none
	exited <-chan Exit
}

// spawn starts the program of spec with the given outputs, which it closes.
//
// The child is told to die with us (PR_SET_PDEATHSIG). The kernel means the
// thread that forked, not the process; Go ends a thread only when a goroutine
// that is locked to it returns, so nobody needs to lock one here, but Run must
// not be called from such a goroutine. Limits are what podhook itself was
// started with: syscall.ForkExec takes back the runtime's rise of
// RLIMIT_NOFILE. So is the signal mask: under podhook run our threads have nearly
// everything blocked.
func (r *Reaper) spawn(spec *Spec, stdout, stderr int) (child, error) {
	// Closed under the reaper's lock after a fork: another run's child would
	// otherwise hold the write ends open until its exec.
	closeOutputs := func() {
		closeFD(stdout)
		closeFD(stderr)
		stdout, stderr = -1, -1
	}
	defer closeOutputs()
	path, err := findProgram(spec)
	if err != nil {
		return child{}, err
	}
	c := child{pidfd: -1}
	attr := &syscall.ProcAttr{
		Dir:   spec.Dir,
		Env:   spec.Env,
		Files: []uintptr{0, uintptr(stdout), uintptr(stderr)},
		Sys:   &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL},
	}
	if u := spec.User; u != nil {
		attr.Sys.Credential = &syscall.Credential{Uid: u.UID, Gid: u.GID}
	}
	if r.hasPidfd {
		attr.Sys.PidFD = &c.pidfd
	}
	fork := func() (int, error) {
		null, err := r.null.open()
		if err != nil {
			return 0, err
		}
		attr.Files[0] = uintptr(null)
		pid, err := inherited.ForkExec(path, spec.Argv, attr)
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

// findProgram looks Argv[0] up as execvp(3) does: a name without a slash in
// PATH of the program's own environment, where an empty or relative entry
// counts from the program's working directory. The result does too.
func findProgram(spec *Spec) (string, error) {
	if len(spec.Argv) == 0 {
		return "", &StartError{Op: "find", Reason: "no program is given", Err: syscall.EINVAL}
	}
	name := spec.Argv[0]
	if name == "" {
		return "", &StartError{Op: "find", Reason: "not found: the name is empty", Err: syscall.ENOENT}
	}
	if strings.Contains(name, "/") {
		return name, nil
	}
	search := searchPath(spec.Env)
	denied := ""
	for _, dir := range strings.Split(search, ":") {
		if dir == "" {
			dir = "."
		}
		path := dir + "/" + name
		switch executable(inDir(spec.Dir, path)) {
		case nil:
			return path, nil
		case syscall.EACCES:
			if denied == "" {
				denied = path
			}
		}
	}
	if denied != "" {
		return "", explain(spec, denied, syscall.EACCES)
	}
	if reason := wrongDir(spec.Dir); reason != "" {
		return "", &StartError{Argv0: name, Op: "chdir", Reason: reason, Err: syscall.ENOENT}
	}
	return "", &StartError{Argv0: name, Op: "find", Err: syscall.ENOENT,
		Reason: "not found in PATH " + strconv.Quote(search)}
}

// searchPath is PATH as getenv(3) would find it, or the C library's default.
func searchPath(env []string) string {
	for _, entry := range env {
		if path, ok := strings.CutPrefix(entry, "PATH="); ok {
			return path
		}
	}
	return "/bin:/usr/bin"
}

// inDir is path as it is seen from here, for a program that starts in dir.
func inDir(dir, path string) string {
	if dir == "" || strings.HasPrefix(path, "/") {
		return path
	}
	return filepath.Join(dir, path)
}

// executable is nil for a regular file that we may execute.
func executable(path string) error {
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		return err
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFREG {
		return syscall.EACCES
	}
	return unix.Faccessat(unix.AT_FDCWD, path, unix.X_OK, unix.AT_EACCESS)
}

// nullInput is the standard input of all programs. The reaper's lock guards it.
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
		// A root without /dev: a pipe that nobody writes to reads the same.
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
