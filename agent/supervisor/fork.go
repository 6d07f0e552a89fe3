package supervisor

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// image is all that the forked child needs, prepared before the fork: between fork and
// exec the child must not allocate, take a lock or grow the stack.
type image struct {
	paths   []*byte // the paths to try, in order
	argv    []*byte
	shell   *byte
	shargv  []*byte // argv of the shell; the path goes to shargv[1]
	envv    []*byte
	tty     int // whose foreground group the child becomes, or -1
	session bool
	mask    uint64
	slack   uintptr
	actions [65]action // by signal
	nofile  *unix.Rlimit
	shut    [3]bool // of 0, 1, 2
	// cloneFlags is CLONE_PIDFD, or 0 where the kernel does not know it.
	cloneFlags uintptr
	pidfd      int32
	childpid   int32
	// failure is in memory that the child shares. It takes the child's errno.
	failure *syscall.Errno
}

// action is the kernel's struct sigaction with its handler first on every
// platform; flags and mask are 0.
type action struct {
	handler uintptr
	_       [4]uint64
}

// fork starts the image. The calling thread stops until the child has executed its
// program or ended (CLONE_VFORK), so failure is set when fork returns.
//
// syscall.ForkExec cannot do this, because it takes no signal mask, no ignored signals
// and no search path.
//
//go:noinline
//go:norace
//go:nocheckptr
func fork(m *image) (pid int, errno syscall.Errno) {
	runtimeBeforeFork()
	pid = clone(unix.CLONE_VFORK|sharing|m.cloneFlags|uintptr(unix.SIGCHLD), &m.pidfd)
	if pid < 0 {
		return 0, syscall.Errno(-pid)
	}
	if pid > 0 {
		return pid, 0
	}
	// This is the child. All signals are blocked until it executes the program.
	runtimeAfterForkInChild()
	m.become()
	for {
		syscall.RawSyscall(unix.SYS_EXIT_GROUP, 127, 0, 0)
	}
}

// become executes the program in the child. It returns on failure.
//
//go:nosplit
//go:norace
//go:nocheckptr
func (m *image) become() {
	m.lead()
	m.restore()
	m.exec()
}

// lead makes the child the leader of a process group, and that the foreground group of
// the terminal if there is one. The leader of a session gets the terminal on stdin, unless
// another session has it.
//
//go:nosplit
//go:norace
//go:nocheckptr
func (m *image) lead() {
	if m.session {
		syscall.RawSyscall(unix.SYS_SETSID, 0, 0, 0)
		syscall.RawSyscall(unix.SYS_IOCTL, 0, unix.TIOCSCTTY, 0)
		return
	}
	syscall.RawSyscall(unix.SYS_SETPGID, 0, 0, 0)
	if m.tty >= 0 {
		self, _, _ := syscall.RawSyscall(unix.SYS_GETPID, 0, 0, 0)
		m.childpid = int32(self)
		// A background process may do this while it blocks TTOU: tcsetpgrp(3).
		syscall.RawSyscall(unix.SYS_IOCTL, uintptr(m.tty), unix.TIOCSPGRP, uintptr(unsafe.Pointer(&m.childpid)))
	}
}

// restore restores what podhook was started with.
//
//go:nosplit
//go:norace
//go:nocheckptr
func (m *image) restore() {
	for sig := uintptr(1); sig <= 64; sig++ {
		syscall.RawSyscall6(unix.SYS_RT_SIGACTION, sig, uintptr(unsafe.Pointer(&m.actions[sig])), 0, 8, 0, 0)
	}
	if m.nofile != nil {
		syscall.RawSyscall6(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_NOFILE, uintptr(unsafe.Pointer(m.nofile)), 0, 0, 0)
	}
	syscall.RawSyscall(unix.SYS_PRCTL, unix.PR_SET_TIMERSLACK, m.slack, 0)
	for fd := range m.shut {
		if m.shut[fd] {
			syscall.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
		}
	}
	syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&m.mask)), 0, 8, 0, 0)
}

// exec tries the paths as execvp(3) does.
//
//go:nosplit
//go:norace
//go:nocheckptr
func (m *image) exec() {
	denied, last := false, syscall.ENOENT
	for i := range m.paths {
		last = execve(m.paths[i], m.argv, m.envv)
		if last == syscall.ENOEXEC {
			m.shargv[1] = m.paths[i]
			last = execve(m.shell, m.shargv, m.envv)
		}
		denied = denied || last == syscall.EACCES
		if !further(last) {
			break
		}
	}
	if denied && further(last) {
		last = syscall.EACCES
	}
	*m.failure = last
}

// further reports whether execvp(3) tries the next path after this error.
//
//go:nosplit
func further(errno syscall.Errno) bool {
	switch errno {
	case syscall.EACCES, syscall.ENOENT, syscall.ENOTDIR, syscall.ESTALE, syscall.ENODEV, syscall.ETIMEDOUT:
		return true
	}
	return false
}

//go:nosplit
//go:norace
//go:nocheckptr
func execve(path *byte, argv, envv []*byte) syscall.Errno {
	_, _, errno := syscall.RawSyscall(unix.SYS_EXECVE, uintptr(unsafe.Pointer(path)),
		uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&envv[0])))
	return errno
}

// The runtime has these for package syscall. It keeps them accessible for gVisor, which
// forks in the same way.

//go:linkname runtimeBeforeFork syscall.runtime_BeforeFork
func runtimeBeforeFork()

//go:linkname runtimeAfterFork syscall.runtime_AfterFork
func runtimeAfterFork()

//go:linkname runtimeAfterForkInChild syscall.runtime_AfterForkInChild
func runtimeAfterForkInChild()
