//go:build amd64 || arm64

package inherited

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// guard forks. The child goes on and becomes podhook; it leads a session, so that a signal
// to the process group of its guard does not reach it directly. The guard has no Go runtime:
// that costs milliseconds to start, and the guard has little to do. It gives stop signals to
// the child and ends with the exit code that the child tells. Where the child ends
// without a word, or there cannot be a child, guard returns in the first process.
//
//go:nosplit
//go:norace
//go:nocheckptr
func guard() {
	var ends [2]int32
	if raw(unix.SYS_SOCKETPAIR, unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0, uintptr(unsafe.Pointer(&ends))) < 0 {
		return
	}
	stops := StopSignals
	signals := raw(unix.SYS_SIGNALFD4, ^uintptr(0), uintptr(unsafe.Pointer(&stops)), 8, unix.SFD_CLOEXEC|unix.SFD_NONBLOCK)
	child := signals
	if signals >= 0 { // a seccomp profile can deny what await needs
		var now unix.Timespec
		child = raw(unix.SYS_PPOLL, 0, 0, uintptr(unsafe.Pointer(&now)), 0)
	}
	if child >= 0 {
		raw(unix.SYS_RT_SIGPROCMASK, unix.SIG_BLOCK, uintptr(unsafe.Pointer(&stops)), 0, 8)
		if handlers[syscall.SIGCHLD] == ignored { // the kernel would reap the child
			var action sigaction
			raw(unix.SYS_RT_SIGACTION, uintptr(syscall.SIGCHLD), uintptr(unsafe.Pointer(&action)), 0, 8)
		}
		raw(unix.SYS_PRCTL, unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0)
		child = raw(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0)
	}
	if child > 0 {
		raw(unix.SYS_CLOSE, uintptr(ends[1]), 0, 0, 0)
		death = await(child, int(ends[0]), signals)
		died = true
	} else {
		worker = int(ends[1])
		if child < 0 {
			worker = 0
			raw(unix.SYS_CLOSE, uintptr(ends[1]), 0, 0, 0)
		} else {
			raw(unix.SYS_SETSID, 0, 0, 0, 0)
		}
	}
	raw(unix.SYS_CLOSE, uintptr(ends[0]), 0, 0, 0)
	raw(unix.SYS_CLOSE, uintptr(signals), 0, 0, 0)
	raw(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&mask)), 0, 8)
}

// await guards the child until its end, and returns its status if it has not told its
// exit code.
//
//go:nosplit
//go:norace
//go:nocheckptr
func await(child, socket, signals int) (status uint32) {
	for {
		polls := [2]unix.PollFd{{Fd: int32(socket), Events: unix.POLLIN}, {Fd: int32(signals), Events: unix.POLLIN}}
		raw(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&polls)), uintptr(len(polls)), 0, 0)
		if polls[1].Revents != 0 {
			forward(socket, signals)
		}
		if polls[0].Revents == 0 {
			continue
		}
		var message [verdictSize]byte
		switch receive(socket, &message) {
		case markSize, -int(unix.EAGAIN), -int(unix.EINTR):
		case verdictSize:
			if message[1] == 0 {
				reap(child) // PID 1 may not reap
			}
			raw(unix.SYS_EXIT_GROUP, uintptr(message[0]), 0, 0, 0)
		default:
			return reap(child)
		}
	}
}

// forward gives a stop signal to the child as a message, because a seccomp profile
// can deny kill(2).
//
//go:nosplit
//go:norace
//go:nocheckptr
func forward(socket, signals int) {
	var info [128]byte // struct signalfd_siginfo: the signal is first
	if raw(unix.SYS_READ, uintptr(signals), uintptr(unsafe.Pointer(&info)), unsafe.Sizeof(info), 0) > 0 {
		syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(socket), uintptr(unsafe.Pointer(&info)), 1, unix.MSG_NOSIGNAL, 0, 0)
	}
}

// receive takes a message. A descriptor that comes with it stays open until this process
// ends.
//
//go:nosplit
//go:norace
//go:nocheckptr
func receive(socket int, into *[verdictSize]byte) int {
	var rights [3]uint64 // CMSG_SPACE(sizeof(int))
	vector := struct{ base, length uintptr }{uintptr(unsafe.Pointer(into)), verdictSize}
	header := struct { // struct msghdr
		name, nameLength, vectors, count, control, controlLength, flags uintptr
	}{vectors: uintptr(unsafe.Pointer(&vector)), count: 1, control: uintptr(unsafe.Pointer(&rights)), controlLength: unsafe.Sizeof(rights)}
	return raw(unix.SYS_RECVMSG, uintptr(socket), uintptr(unsafe.Pointer(&header)), unix.MSG_CMSG_CLOEXEC, 0)
}

//go:nosplit
//go:norace
//go:nocheckptr
func reap(child int) (status uint32) {
	for raw(unix.SYS_WAIT4, uintptr(child), uintptr(unsafe.Pointer(&status)), 0, 0) == -int(unix.EINTR) {
	}
	return status
}
