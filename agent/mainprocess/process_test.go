package mainprocess

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/procfs"
	"github.com/podhook/podhook/internal/testutil"
)

func TestSignalReachesHandler(t *testing.T) {
	checkLeaks(t)
	cmd := exec.Command("/bin/sh", "-c", `trap 'exit 42' USR1; echo ready; while :; do sleep 0.05; done`)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	startCmd(t, cmd)
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("%q, %v", line, err)
	}
	p := find(t, target(t, "pid:%d", cmd.Process.Pid))
	if gone, err := p.Signal(syscall.SIGUSR1); gone || err != nil {
		t.Fatalf("gone %v, error %v", gone, err)
	}
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 42 {
		t.Errorf("exit code %d, want 42", code)
	}
}

func TestSignalToProcessThatHasGone(t *testing.T) {
	checkLeaks(t)
	for _, reaped := range []bool{false, true} {
		_, cmd := sleeper(t, "gone-before")
		p := find(t, target(t, "pid:%d", cmd.Process.Pid))
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if reaped {
			cmd.Wait()
		} else if err := p.WaitExit(t.Context()); err != nil {
			t.Fatal(err)
		}
		if gone, err := p.Signal(syscall.SIGTERM); !gone || err != nil {
			t.Errorf("reaped %v: gone %v, error %v", reaped, gone, err)
		}
		if p.Alive() {
			t.Errorf("reaped %v: still alive", reaped)
		}
	}
}

func TestSignalThatDoesNotExist(t *testing.T) {
	_, cmd := sleeper(t, "takes-no-999")
	p := find(t, target(t, "pid:%d", cmd.Process.Pid))
	if gone, err := p.Signal(999); gone || !errors.Is(err, syscall.EINVAL) || !strings.Contains(err.Error(), "999") {
		t.Errorf("gone %v, error %v", gone, err)
	}
}

func TestWaitExitOfZombieAndReaped(t *testing.T) {
	checkLeaks(t)
	_, cmd := sleeper(t, "waited-for")
	p := find(t, target(t, "pid:%d", cmd.Process.Pid))
	result := make(chan error, 1)
	go func() { result <- p.WaitExit(context.Background()) }()
	select {
	case err := <-result:
		t.Fatalf("it is alive, but the wait ended with %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	select { // not reaped yet
	case err := <-result:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(testutil.Patience):
		t.Fatal("the exit was not noticed")
	}
	cmd.Wait()
	if err := p.WaitExit(t.Context()); err != nil {
		t.Errorf("after it was reaped: %v", err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.WaitExit(cancelled); err != nil {
		t.Errorf("exit and cancellation: %v", err)
	}
}

func TestWaitExitIsWokenByThePoller(t *testing.T) {
	checkLeaks(t)
	_, cmd := sleeper(t, "wakes-poller")
	p := find(t, target(t, "pid:%d", cmd.Process.Pid))
	result := make(chan error, 1)
	go func() { result <- awaitPidfd(p.pidfd) }()
	select {
	case err := <-result: // an error would make WaitExit poll
		t.Fatalf("it is alive, but the wait ended with %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	end(cmd)
	select {
	case err := <-result:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(testutil.Patience):
		t.Fatal("the exit was not noticed")
	}
}

func TestWaitExitOfNonChild(t *testing.T) {
	checkLeaks(t)
	out, err := exec.Command("/bin/sh", "-c", "setsid sleep 60 >/dev/null 2>&1 & echo $!").Output()
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	p := find(t, target(t, "pid:%d", pid))
	result := make(chan error, 1)
	go func() { result <- p.WaitExit(context.Background()) }()
	if gone, err := p.Signal(syscall.SIGKILL); gone || err != nil {
		t.Fatalf("gone %v, error %v", gone, err)
	}
	select {
	case err := <-result:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(testutil.Patience):
		t.Fatal("the exit was not noticed")
	}
}

func TestWaitExitEndsWithContextAndClose(t *testing.T) {
	checkLeaks(t)
	_, cmd := sleeper(t, "outlives-waiter")
	p := find(t, target(t, "pid:%d", cmd.Process.Pid))
	begin := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := p.WaitExit(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the context's error", err)
	}
	if took := time.Since(begin); took < 100*time.Millisecond || took > 5*time.Second {
		t.Errorf("a wait of 100 ms took %s", took)
	}
	result := make(chan error, 1)
	go func() { result <- p.WaitExit(context.Background()) }()
	p.Close()
	select {
	case err := <-result:
		if !errors.Is(err, os.ErrClosed) {
			t.Errorf("got %v, want os.ErrClosed", err)
		}
	case <-time.After(testutil.Patience):
		t.Fatal("the waiter outlives Close")
	}
	if gone, err := p.Signal(syscall.SIGKILL); gone || !errors.Is(err, os.ErrClosed) {
		t.Errorf("signal after Close: gone %v, error %v", gone, err)
	}
	if err := cmd.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("Close harmed the process: %v", err)
	}
}

func TestWaitExitOfMany(t *testing.T) {
	checkLeaks(t)
	_, shared := sleeper(t, "many-wait")
	one := find(t, target(t, "pid:%d", shared.Process.Pid))
	threads := threadCount(t)
	const n = 100
	errs := make(chan error, 2*n)
	var began sync.WaitGroup
	wait := func(p *Process) {
		began.Add(1)
		go func() {
			began.Done()
			errs <- p.WaitExit(context.Background())
		}()
	}
	var cmds []*exec.Cmd
	for range n {
		cmd := start(t, "/bin/sleep", "60")
		cmds = append(cmds, cmd)
		wait(one)
		wait(find(t, target(t, "pid:%d", cmd.Process.Pid)))
	}
	began.Wait()
	if now := threadCount(t); now > threads+n/4 {
		t.Errorf("%d waits hold threads: %d, were %d", 2*n, now, threads)
	}
	for _, cmd := range append(cmds, shared) {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
	}
	deadline := time.After(testutil.Patience)
	for range 2 * n {
		select {
		case err := <-errs:
			if err != nil {
				t.Error(err)
			}
		case <-deadline:
			t.Fatal("a wait did not end")
		}
	}
}

func threadCount(t *testing.T) int {
	s, err := procfs.Proc.Stat(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	return s.Threads
}

func TestNoLeakOverManyProcesses(t *testing.T) {
	checkLeaks(t)
	_, cmd := sleeper(t, "found-often")
	tg := target(t, "pid:%d", cmd.Process.Pid)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 500 {
		p, err := lookFor(tg)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.WaitExit(ctx); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		p.Close()
		p.Close()
	}
}

// Closing while others use the process must never let them use a descriptor that
// has become another one; the race detector and this assertion watch.
func TestCloseWhileInUse(t *testing.T) {
	checkLeaks(t)
	_, victim := sleeper(t, "never-signalled")
	other := target(t, "pid:%d", victim.Process.Pid)
	cmd := exec.Command("/bin/sh", "-c", "trap '' USR1; echo ready; exec sleep 60")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	startCmd(t, cmd)
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("%q, %v", line, err)
	}
	tg := target(t, "pid:%d", cmd.Process.Pid)
	for range 200 {
		p, err := lookFor(tg)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() { p.Signal(syscall.SIGUSR1) }) // deadly to the other one
		wg.Go(func() { p.Alive() })
		wg.Go(func() { p.WaitExit(t.Context()) })
		wg.Go(func() {
			p.Close()
			if q, err := lookFor(other); err == nil { // takes the descriptor's number
				q.Close()
			}
		})
		wg.Wait()
	}
	if s, err := procfs.Proc.Stat(victim.Process.Pid); err != nil || s.Exited() {
		t.Errorf("the other process was signalled: %+v, %v", s, err)
	}
}
