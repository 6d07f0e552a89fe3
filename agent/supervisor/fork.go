package supervisor

import (
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// image is all that the forked child needs, made ready before: between fork
// and exec nothing may be allocated, no lock taken and no stack grown.
type image struct {
	paths   []*byte // what to try, in this order
	argv    []*byte
	shell   *byte
	shargv  []*byte // argv of the shell; the path goes to shargv[1]
	envv    []*byte
	tty     int // to become the foreground group of, or -1
	mask    uint64
	actions [65]action // by signal
	nofile  *unix.Rlimit
	shut    [3]bool // of 0, 1, 2
	// cloneFlags is CLONE_PIDFD, or 0 where that is not known; see pidfd.
	cloneFlags uintptr
	pidfd      int32
	childpid   int32
	// failure is in memory that the child shares, for its errno.
	failure *syscall.Errno
}

// action is the kernel's struct sigaction with its handler first on every
// platform; flags and mask are 0.
type action struct {
	handler uintptr
	_       [4]uint64
}

// fork starts the image. The calling thread stands still until the child has
// executed its program or ended (CLONE_VFORK), so then failure is set.
//
// It is done by hand because syscall.ForkExec cannot be told a signal mask,
// ignored signals or a search path. Unlike there the child has a copy of our
// memory: to share it safely takes assembly.
//
//go:noinline
//go:norace
//go:nocheckptr
func fork(m *image) (pid uintptr, errno syscall.Errno) {
	first, second := unix.CLONE_VFORK|m.cloneFlags|uintptr(unix.SIGCHLD), uintptr(0)
	if runtime.GOARCH == "s390x" {
		first, second = second, first // clone(2)
	}
	runtimeBeforeFork()
	pid, _, errno = syscall.RawSyscall6(unix.SYS_CLONE, first, second, uintptr(unsafe.Pointer(&m.pidfd)), 0, 0, 0)
	if errno != 0 || pid != 0 {
		return
	}
	// We are the child. All signals are blocked until the program is there.
	runtimeAfterForkInChild()
	m.become()
	for {
		syscall.RawSyscall(unix.SYS_EXIT_GROUP, 127, 0, 0)
	}
}

// become turns the child into the program; it returns if that failed.
//
//go:nosplit
//go:norace
//go:nocheckptr
func (m *image) become() {
	m.lead()
	m.restore()
	m.exec()
}

// lead makes the child the leader of a process group, in the foreground of the
// terminal where there is one.
//
//go:nosplit
//go:norace
//go:nocheckptr
func (m *image) lead() {
	syscall.RawSyscall(unix.SYS_SETPGID, 0, 0, 0)
	if m.tty >= 0 {
		self, _, _ := syscall.RawSyscall(unix.SYS_GETPID, 0, 0, 0)
		m.childpid = int32(self)
		// TTOU is blocked, so a background process may do this: tcsetpgrp(3).
		syscall.RawSyscall(unix.SYS_IOCTL, uintptr(m.tty), unix.TIOCSPGRP, uintptr(unsafe.Pointer(&m.childpid)))
	}
}

// restore brings back what podhook itself was started with.
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

// further tells whether execvp(3) goes on to the next path after this error.
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

// Go's own for package syscall; the runtime keeps them for gVisor, which forks
// by hand too.

//go:linkname runtimeBeforeFork syscall.runtime_BeforeFork
func runtimeBeforeFork()

//go:linkname runtimeAfterFork syscall.runtime_AfterFork
func runtimeAfterFork()

//go:linkname runtimeAfterForkInChild syscall.runtime_AfterForkInChild
func runtimeAfterForkInChild()
