package process

import (
	"errors"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// readSize is how much is read from a pipe at a time, in bytes.
const readSize = 32 << 10

// watch lets one goroutine wait for a program's outputs and its end together. It is an
// epoll that the runtime's poller watches. So a run blocks no thread and needs no
// goroutine per pipe.
type watch struct {
	file    *os.File
	conn    syscall.RawConn
	epoll   int
	pidfd   int // -1: not watched
	outputs [2]output
	buffers *sync.Pool // of *[readSize]byte
	// closed: another goroutine has closed file.
	closed bool

	collect func(uintptr) bool // made once, to save an allocation for each wait
	events  [3]unix.EpollEvent
	ready   int
}

// output is the read end of one of the program's pipes.
type output struct {
	fd    int // -1: it has ended
	lines splitter
}

// newWatch makes the pipes. It returns the write ends, for the program.
func newWatch(buffers *sync.Pool, onLine func(Line)) (w *watch, stdout, stderr int, err error) {
	w = &watch{epoll: -1, pidfd: -1, buffers: buffers}
	w.outputs[0] = output{fd: -1, lines: splitter{stream: Stdout, onLine: onLine}}
	w.outputs[1] = output{fd: -1, lines: splitter{stream: Stderr, onLine: onLine}}
	ends := [2]int{-1, -1}
	fail := func(err error) (*watch, int, int, error) {
		w.close()
		closeFD(ends[0])
		closeFD(ends[1])
		return nil, -1, -1, err
	}
	w.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return fail(err)
	}
	for i := range w.outputs {
		var p [2]int
		if err := syscall.Pipe2(p[:], syscall.O_CLOEXEC); err != nil {
			return fail(err)
		}
		w.outputs[i].fd, ends[i] = p[0], p[1]
		// The read end only: the program expects its own end to block.
		if err := setNonblock(p[0]); err != nil {
			return fail(err)
		}
		if err := w.add(p[0], i); err != nil {
			return fail(err)
		}
	}
	// os.NewFile uses the poller only for a non-blocking descriptor.
	if err := setNonblock(w.epoll); err != nil {
		return fail(err)
	}
	w.file = os.NewFile(uintptr(w.epoll), "epoll")
	w.conn, err = w.file.SyscallConn()
	if err != nil {
		return fail(err)
	}
	w.collect = func(fd uintptr) bool {
		n, err := unix.EpollWait(int(fd), w.events[:], 0)
		w.ready = max(n, 0)
		return n > 0 || err != nil && err != unix.EINTR
	}
	return w, ends[0], ends[1], nil
}

// setNonblock also clears the other flags of F_SETFL, which these descriptors lack.
func setNonblock(fd int) error {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_SETFL, unix.O_NONBLOCK)
	return err
}

func (w *watch) add(fd, key int) error {
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(key)}
	return unix.EpollCtl(w.epoll, unix.EPOLL_CTL_ADD, fd, &event)
}

// addExit makes wait notice the end of a process too. The watch owns pidfd.
func (w *watch) addExit(pidfd int) error {
	w.pidfd = pidfd
	return w.add(pidfd, len(w.outputs))
}

// wait returns when it has read output, when the process has ended (true), at the time
// given to until, or after wake.
func (w *watch) wait() (exited bool) {
	w.ready = 0
	if err := w.conn.Read(w.collect); err != nil {
		w.closed = !errors.Is(err, os.ErrDeadlineExceeded)
		return false
	}
	for _, event := range w.events[:w.ready] {
		if int(event.Fd) < len(w.outputs) {
			w.read(&w.outputs[event.Fd], readSize)
		} else {
			exited = true
		}
	}
	return exited
}

// until makes wait return at t at the latest; the zero time means never.
func (w *watch) until(t time.Time) {
	// It fails only where the watch is closed, which wait notices too.
	_ = w.file.SetReadDeadline(t)
}

// never cancels until and wake.
func (w *watch) never() { w.until(time.Time{}) }

// wake makes the current or the next wait return. It may be called from any goroutine.
func (w *watch) wake() { w.until(time.Unix(1, 0)) }

// read reads at most limit bytes that are in the pipe now. It returns their number,
// which is 0 where the pipe is empty or has ended.
func (w *watch) read(o *output, limit int) int {
	if o.fd < 0 {
		return 0
	}
	buffer := w.buffers.Get().(*[readSize]byte)
	defer w.buffers.Put(buffer)
	for {
		n, err := syscall.Read(o.fd, buffer[:min(limit, readSize)])
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			return 0
		case err != nil || n == 0:
			o.end()
			return 0
		}
		o.lines.write(buffer[:n])
		return n
	}
}

// readRest reads what is in the pipes now (TIOCINQ, also called FIONREAD). It does not
// read what is written meanwhile, so that a background process cannot hold it up.
func (w *watch) readRest() {
	for i := range w.outputs {
		o := &w.outputs[i]
		if o.fd < 0 {
			continue
		}
		rest, err := unix.IoctlGetInt(o.fd, unix.TIOCINQ)
		if err != nil {
			rest = readSize
		}
		for rest > 0 {
			n := w.read(o, rest)
			if n == 0 {
				break
			}
			rest -= n
		}
		w.endIfOver(o)
		o.lines.flush()
	}
}

// endIfOver closes the pipe where no writer is left. It reads nothing where there is one:
// the line that this one writes now is not to be cut in two.
func (w *watch) endIfOver(o *output) {
	pipe := []unix.PollFd{{Fd: int32(o.fd), Events: unix.POLLIN}}
	if o.fd < 0 {
		return
	}
	if _, err := unix.Poll(pipe, 0); err != nil || pipe[0].Revents&unix.POLLHUP == 0 {
		return
	}
	for pipe[0].Revents&unix.POLLIN != 0 && w.read(o, readSize) > 0 {
	}
	if o.fd >= 0 {
		o.end()
	}
}

// open reports whether a process can still write to one of the pipes.
func (w *watch) open() bool {
	return w.outputs[0].fd >= 0 || w.outputs[1].fd >= 0
}

func (o *output) end() {
	closeFD(o.fd) // this removes it from the epoll too
	o.fd = -1
	o.lines.flush()
}

func (w *watch) endExit() {
	closeFD(w.pidfd)
	w.pidfd = -1
}

func (w *watch) close() {
	for i := range w.outputs {
		if w.outputs[i].fd >= 0 {
			w.outputs[i].end()
		}
	}
	w.endExit()
	if w.file != nil {
		w.file.Close()
	} else {
		closeFD(w.epoll)
	}
}

func closeFD(fd int) {
	if fd >= 0 {
		syscall.Close(fd)
	}
}
