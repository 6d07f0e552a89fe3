package supervisor_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/internal/testutil"
)

// forwardable are all signals that can be sent to a process and mean something
// to its child; 32 and 33 are the C library's own.
func forwardable() []syscall.Signal {
	var list []syscall.Signal
	for sig := syscall.Signal(1); sig <= 64; sig++ {
		switch sig {
		case syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGCHLD, 32, 33:
		default:
			list = append(list, sig)
		}
	}
	return list
}

func TestForwardsEverySignal(t *testing.T) {
	needRoot(t)
	rule(t, options{}, func(t *testing.T, i initProgram) error {
		return forwardsAll(conditions{Container: true}, i)
	})
}

func TestForwardsEverySignalNotAsPID1(t *testing.T) {
	rule(t, options{}, func(t *testing.T, i initProgram) error {
		return forwardsAll(conditions{}, i)
	})
}

func forwardsAll(c conditions, i initProgram) error {
	r, err := startReceiver(c, i, options{}, "urg")
	if err != nil {
		return err
	}
	defer r.kill()
	var lost []string
	for _, sig := range forwardable() {
		if err := r.insist(sig); err != nil {
			lost = append(lost, fmt.Sprint(int(sig)))
			if i.name != "podhook" {
				break // each takes seconds
			}
		}
	}
	if len(lost) > 0 {
		return fmt.Errorf("not forwarded: %s", strings.Join(lost, " "))
	}
	return nil
}

// insist sends sig, and again those few signals that Go's runtime keeps to itself
// (URG, PROF, RTMIN) if they come in the microseconds in which the main thread of the
// receiver, or of podhook, is not waiting.
func (r *receiver) insist(sig syscall.Signal) error {
	err := r.send(sig, 1)
	for n := 0; err != nil && n < 3 && (sig == syscall.SIGURG || sig == syscall.SIGPROF || sig == 34); n++ {
		err = r.send(sig, 1)
	}
	return err
}

// sigqueue sends a signal with a value: sigqueue(3).
func sigqueue(pid int, sig syscall.Signal, value int) error {
	var info struct {
		signo, errno, code, _ int32
		pid, uid              int32
		value                 uintptr
		_                     [96]byte
	}
	info.signo, info.code, info.value = int32(sig), -1, uintptr(value)
	info.pid = int32(os.Getpid())
	_, _, errno := syscall.Syscall(unix.SYS_RT_SIGQUEUEINFO, uintptr(pid), uintptr(sig), uintptr(unsafe.Pointer(&info)))
	if errno != 0 {
		return errno
	}
	return nil
}

func TestQueuedRealTimeSignalsAllArrive(t *testing.T) {
	needRoot(t)
	const n = 200
	rule(t, options{}, func(t *testing.T, i initProgram) error {
		r, err := startReceiver(conditions{Container: true}, i, options{}, "0")
		if err != nil {
			return err
		}
		defer r.kill()
		for value := range n {
			if err := sigqueue(r.cmd.Process.Pid, 40, value); err != nil {
				return err
			}
		}
		if err := testutil.Until(10*time.Second, "all of them", func() bool { return r.count(40) >= n }); err != nil {
			return fmt.Errorf("%w: %d of %d", err, r.count(40), n)
		}
		return nil
	})
}

func TestQueuedSignalsKeepTheirValue(t *testing.T) {
	needRoot(t)
	rule(t, options{}, func(t *testing.T, i initProgram) error {
		r, err := startReceiver(conditions{Container: true}, i, options{}, "0")
		if err != nil {
			return err
		}
		defer r.kill()
		for value := 1; value <= 50; value++ {
			if err := sigqueue(r.cmd.Process.Pid, 41, value); err != nil {
				return err
			}
		}
		if err := testutil.Until(10*time.Second, "all of them", func() bool { return r.count(41) == 50 }); err != nil {
			return err
		}
		for n, value := range r.values(41) {
			if value != n+1 {
				return fmt.Errorf("number %d came with %d", n+1, value)
			}
		}
		return nil
	})
}

func TestGroupGetsSignals(t *testing.T) {
	needRoot(t)
	rule(t, options{group: true}, func(t *testing.T, i initProgram) error {
		r, err := startReceiver(conditions{Container: true}, i, options{group: true}, "1")
		if err != nil {
			return err
		}
		defer r.kill()
		return r.send(syscall.SIGUSR1, 2)
	})
}

func TestOnlyChildGetsSignals(t *testing.T) {
	needRoot(t)
	rule(t, options{}, func(t *testing.T, i initProgram) error {
		r, err := startReceiver(conditions{Container: true}, i, options{}, "1")
		if err != nil {
			return err
		}
		defer r.kill()
		if err := r.send(syscall.SIGUSR1, 1); err != nil {
			return err
		}
		// USR2 comes after USR1, so that a second USR1 would have been seen.
		if err := r.send(syscall.SIGUSR2, 1); err != nil {
			return err
		}
		if n := r.count(int(syscall.SIGUSR1)); n != 1 {
			return fmt.Errorf("USR1 came %d times", n)
		}
		return nil
	})
}

func TestRewritesSignals(t *testing.T) {
	needRoot(t)
	o := options{rewrite: "15=3"}
	rule(t, o, func(t *testing.T, i initProgram) error {
		r, err := startReceiver(conditions{Container: true}, i, o, "0")
		if err != nil {
			return err
		}
		defer r.kill()
		if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			return err
		}
		return testutil.Until(10*time.Second, "QUIT", func() bool { return r.count(3) == 1 && r.count(15) == 0 })
	})
}

func TestDropsSignals(t *testing.T) {
	needRoot(t)
	o := options{rewrite: "15=0"}
	rule(t, o, func(t *testing.T, i initProgram) error {
		r, err := startReceiver(conditions{Container: true}, i, o, "0")
		if err != nil {
			return err
		}
		defer r.kill()
		if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			return err
		}
		if err := r.send(syscall.SIGUSR1, 1); err != nil {
			return err
		}
		if r.count(15) != 0 {
			return fmt.Errorf("TERM came")
		}
		return nil
	})
}

// listening waits until the init is the program of pid and the kernel no longer
// throws signals away: while PID 1 has neither a handler nor a block, it does.
func listening(pid int, i initProgram) error {
	info, err := os.Stat(i.path)
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		exe, err := os.Stat(fmt.Sprintf("/proc/%d/exe", pid))
		if err == nil && os.SameFile(info, exe) && statusSet(pid, "SigCgt")|statusSet(pid, "SigBlk") != 0 {
			return nil
		}
	}
	return fmt.Errorf("%s never listened", i.name)
}

func TestEarlySignalIsNotLost(t *testing.T) {
	needRoot(t)
	for _, o := range []options{{}, {group: true}} {
		name := "child"
		if o.group {
			name = "group"
		}
		t.Run(name, func(t *testing.T) {
			rule(t, o, func(t *testing.T, i initProgram) error { return early(i, o, i.rounds(200)) })
		})
	}
}

// early sends TERM to n inits, each within its first 5 ms, and expects that it
// ends sleep each time.
func early(i initProgram, o options, n int) error {
	lost := 0
	codes := map[int]int{}
	for range n {
		argv, _ := i.argv(o, []string{"sleep", "60"})
		cmd := conditions{Container: true}.command(argv...)
		if err := cmd.Start(); err != nil {
			return err
		}
		if err := listening(cmd.Process.Pid, i); err != nil {
			return err
		}
		time.Sleep(time.Duration(rand.Int64N(int64(5 * time.Millisecond))))
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			return err
		}
		timer := time.AfterFunc(2*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		if !timer.Stop() {
			lost++
		}
		codes[cmd.ProcessState.ExitCode()]++
	}
	if lost > 0 || codes[143] != n {
		return fmt.Errorf("%d of %d lost; exit codes: %v", lost, n, codes)
	}
	return nil
}

func TestSignalRacesWithExit(t *testing.T) {
	needRoot(t)
	rule(t, options{}, func(t *testing.T, i initProgram) error {
		n := i.rounds(500)
		codes := map[int]int{}
		for range n {
			argv, _ := i.argv(options{}, []string{"sh", "-c", "echo; exit 7"})
			cmd := conditions{Container: true}.command(argv...)
			out, err := cmd.StdoutPipe()
			if err != nil {
				return err
			}
			if err := cmd.Start(); err != nil {
				return err
			}
			_, _ = out.Read(make([]byte, 1)) // CMD is about to exit
			time.Sleep(time.Duration(rand.Int64N(int64(time.Millisecond))))
			_ = cmd.Process.Signal(syscall.SIGTERM)
			if err := waitFor(cmd); err != nil {
				return err
			}
			codes[cmd.ProcessState.ExitCode()]++
		}
		if codes[7]+codes[143] != n || codes[7] == 0 {
			return fmt.Errorf("exit codes: %v", codes)
		}
		return nil
	})
}

func TestParentDeath(t *testing.T) {
	o := options{subreaper: true, parentDeath: "TERM"}
	rule(t, o, func(t *testing.T, i initProgram) error {
		argv, _ := i.argv(o, []string{"sh", "-c", "trap 'echo told; exit' TERM; echo ready; while :; do sleep 0.02; done"})
		cmd := conditions{}.command(append([]string{"sh", "-c", `"$@" & wait`, "sh"}, argv...)...)
		out, err := cmd.StdoutPipe()
		if err != nil {
			return err
		}
		if err := cmd.Start(); err != nil {
			return err
		}
		lines := bufio.NewScanner(out)
		if !lines.Scan() || lines.Text() != "ready" {
			return fmt.Errorf("it did not start: %q", lines.Text())
		}
		if err := cmd.Process.Kill(); err != nil {
			return err
		}
		if !lines.Scan() || lines.Text() != "told" {
			return fmt.Errorf("it was not told: %q", lines.Text())
		}
		_ = cmd.Wait()
		return nil
	})
}

// RTMIN+0 can be lost where it comes while nobody waits for it, but it must not end
// podhook, which as PID 1 the kernel would see to.
func TestOutlivesRTMIN(t *testing.T) {
	rule(t, options{}, func(t *testing.T, i initProgram) error {
		r, err := startReceiver(conditions{}, i, options{}, "0")
		if err != nil {
			return err
		}
		defer r.kill()
		for range 5000 {
			if err := r.cmd.Process.Signal(syscall.Signal(34)); err != nil {
				return err
			}
		}
		return r.send(syscall.SIGUSR1, 1)
	})
}
