package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// receiverCommand makes this program the child of the inits. It writes the time of each
// signal to its standard output.
const receiverCommand = "receive-signals"

// receive answers USR1 and TERM with the time, and exits at TERM. It waits in the kernel
// and not in the scheduler of Go, which would be measured too.
func receive() {
	debug.SetGCPercent(-1)
	runtime.LockOSThread()
	set := uint64(1)<<(unix.SIGUSR1-1) | uint64(1)<<(unix.SIGTERM-1)
	all := ^uint64(0)
	syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&all)), 0, 8, 0, 0)
	// A signal that comes while this thread does not wait goes to another thread.
	late := make(chan os.Signal, 1)
	signal.Notify(late, unix.SIGUSR1, unix.SIGTERM)
	go func() {
		for sig := range late {
			answer(sig.(syscall.Signal))
		}
	}()
	tell(monotonic()) // ready
	for {
		sig, _, _ := syscall.Syscall6(unix.SYS_RT_SIGTIMEDWAIT, uintptr(unsafe.Pointer(&set)), 0, 0, 8, 0, 0)
		answer(syscall.Signal(sig))
	}
}

func answer(sig syscall.Signal) {
	tell(monotonic())
	if sig == unix.SIGTERM {
		os.Exit(0)
	}
}

func tell(t int64) {
	var b [8]byte
	binary.NativeEndian.PutUint64(b[:], uint64(t))
	_, _ = syscall.Write(1, b[:])
}

// monotonic returns CLOCK_MONOTONIC in nanoseconds, which is the same for all processes.
func monotonic() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return ts.Nano()
}

// receiver is a child that receives signals, under an init or alone.
type receiver struct {
	cmd *exec.Cmd
	out *bufio.Reader
}

func startReceiver(i initProgram) (*receiver, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	argv := i.with(self, receiverCommand)
	r := &receiver{cmd: exec.Command(argv[0], argv[1:]...)}
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	r.out = bufio.NewReader(out)
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	_, err = r.next()
	return r, err
}

// next returns the next time that the receiver has written.
func (r *receiver) next() (int64, error) {
	var b [8]byte
	if _, err := io.ReadFull(r.out, b[:]); err != nil {
		return 0, fmt.Errorf("%s: no answer: %w", r.cmd.Path, err)
	}
	return int64(binary.NativeEndian.Uint64(b[:])), nil
}

// ask sends sig and returns how long it took to reach the child.
func (r *receiver) ask(sig syscall.Signal) (time.Duration, error) {
	sent := monotonic()
	if err := r.cmd.Process.Signal(sig); err != nil {
		return 0, err
	}
	got, err := r.next()
	return time.Duration(got - sent), err
}

// stop sends TERM and returns the time from the end of the child to the end of the init.
func (r *receiver) stop() (time.Duration, error) {
	if err := r.cmd.Process.Signal(unix.SIGTERM); err != nil {
		return 0, err
	}
	last, err := r.next()
	if err != nil {
		return 0, err
	}
	var exit *exec.ExitError
	if err := r.cmd.Wait(); err != nil && !errors.As(err, &exit) {
		return 0, err
	}
	return time.Duration(monotonic() - last), nil
}
