package supervisor_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/internal/testutil"
)

// The kernel offers signals to the main thread first; a lock taken here keeps
// the main goroutine on it, where receive waits.
func init() { runtime.LockOSThread() }

// receive makes this binary a main process that tells on its standard output
// which signals it gets: {"Signal":15,"Value":0}. It waits for them in the kernel, so
// that queued ones are told as often as they come. Its argument is the number of
// children that do the same (for process groups). It ends on KILL only.
func receive(args []string) {
	if len(args) < 2 {
		// Once more with everything blocked: then Go blocks it in all threads.
		setThreadMask(^uint64(0))
		lament(execRaw("/proc/self/exe", append([]string{"receiver", "receive"}, append(args, "blocked")...), os.Environ()))
	}
	if args[0] == "1" {
		child := exec.Command("/proc/self/exe", "receive", "0")
		child.Stdout = os.Stdout
		must("child", child.Start())
	}
	// What a thread cannot block comes by way of os/signal if we are not waiting.
	late := make(chan os.Signal, 100)
	for _, sig := range []int{1, 2, 3, 4, 5, 6, 7, 8, 11, 15, 16, 31} {
		signal.Notify(late, syscall.Signal(sig))
	}
	go func() {
		for sig := range late {
			tell(told{Signal: int(sig.(syscall.Signal))})
		}
	}()
	setThreadMask(^uint64(0))
	// Go unblocks 34 in its other threads; with its default action it would end us.
	action := [8]uint64{1} // SIG_IGN
	syscall.RawSyscall6(unix.SYS_RT_SIGACTION, 34, uintptr(unsafe.Pointer(&action)), 0, 8, 0, 0)
	tell(told{Pid: os.Getpid()})
	set := ^setOf([]int{9, 17, 19, 23, 32, 33})
	if args[0] == "urg" {
		set |= setOf([]int{23})
	}
	for {
		var info struct {
			signo, errno, code, _ int32
			pid, uid              int32
			value                 uintptr
			_                     [96]byte
		}
		sig, _, _ := syscall.Syscall6(unix.SYS_RT_SIGTIMEDWAIT, uintptr(unsafe.Pointer(&set)), uintptr(unsafe.Pointer(&info)), 0, 8, 0, 0)
		if info.code == -6 && sig == 23 {
			continue // Go's own
		}
		tell(told{Signal: int(sig), Value: int(info.value)})
	}
}

// told is one line of a receiver: its pid as the first, then what it got.
type told struct{ Signal, Value, Pid int }

func tell(what told) {
	line, _ := json.Marshal(what)
	_, _ = os.Stdout.Write(append(line, '\n'))
}

// receiver is a running init with a receiver as its main process.
type receiver struct {
	cmd *exec.Cmd

	mu     sync.Mutex
	heard  []told
	closed bool
	stderr strings.Builder
}

// startReceiver starts it and returns when it and its children are ready.
func startReceiver(c conditions, i initProgram, o options, children string) (*receiver, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	argv, _ := i.argv(o, []string{self, "receive", children})
	r := &receiver{cmd: c.command(argv...)}
	return r, r.start(children)
}

func (r *receiver) start(children string) error {
	r.cmd.Stderr = &r.stderr
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := r.cmd.Start(); err != nil {
		return err
	}
	go r.listen(out)
	ready := 1
	if children == "1" {
		ready = 2
	}
	return testutil.Until(10*time.Second, "the receiver is ready", func() bool { return r.count(0) == ready })
}

func (r *receiver) listen(out io.Reader) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var what told
		_ = json.Unmarshal(lines.Bytes(), &what)
		r.mu.Lock()
		r.heard = append(r.heard, what)
		r.mu.Unlock()
	}
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
}

// count is how often sig was told.
func (r *receiver) count(sig int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, what := range r.heard {
		if what.Signal == sig {
			n++
		}
	}
	return n
}

// values are the values that sig came with, in order.
func (r *receiver) values(sig int) []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	var values []int
	for _, what := range r.heard {
		if what.Signal == sig {
			values = append(values, what.Value)
		}
	}
	return values
}

// send sends sig to the init and waits until it has been told n times.
func (r *receiver) send(sig syscall.Signal, n int) error {
	if err := r.cmd.Process.Signal(sig); err != nil {
		return err
	}
	if testutil.Until(3*time.Second, "", func() bool { return r.count(int(sig)) >= n }) != nil {
		return fmt.Errorf("signal %d was not forwarded", int(sig))
	}
	return nil
}

// kill ends all of it: with PID 1 its whole namespace goes.
func (r *receiver) kill() {
	pids := []int{}
	r.mu.Lock()
	for _, what := range r.heard {
		if what.Pid > 1 {
			pids = append(pids, what.Pid)
		}
	}
	r.mu.Unlock()
	_ = r.cmd.Process.Kill()
	if r.cmd.SysProcAttr.Cloneflags == 0 {
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	_ = r.cmd.Wait()
}
