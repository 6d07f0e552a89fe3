package process_test

import (
	"context"
	"errors"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"github.com/podhook/podhook/hooks/process"
	"github.com/podhook/podhook/internal/testutil"
)

// A child that ends at once must not be reaped before it is registered.
func TestStartLosesNoStatus(t *testing.T) {
	testutil.Slow(t)
	r := newReaper(t)
	for i := range 2000 {
		code := i % 256
		_, exited, err := r.Start(func() (int, error) {
			return syscall.ForkExec(shellPath, []string{"sh", "-c", "exit $0", itoa(code)},
				&syscall.ProcAttr{Files: []uintptr{0, 1, 2}})
		})
		if err != nil {
			t.Fatal(err)
		}
		if exit := <-exited; exit.ExitStatus() != code {
			t.Fatalf("child %d: status %v, want exit %d", i, exit, code)
		}
	}
}

func TestStartReportsASignal(t *testing.T) {
	r := newReaper(t)
	_, exited, err := r.Start(func() (int, error) {
		return syscall.ForkExec(shellPath, []string{"sh", "-c", "kill -USR1 $$"},
			&syscall.ProcAttr{Files: []uintptr{0, 1, 2}})
	})
	if err != nil {
		t.Fatal(err)
	}
	exit := <-exited
	if !exit.Signaled() || exit.Signal() != syscall.SIGUSR1 {
		t.Errorf("status %v, want killed by SIGUSR1", exit)
	}
}

func TestStartPassesForksErrorOn(t *testing.T) {
	r := newReaper(t)
	cause := errors.New("no")
	if _, _, err := r.Start(func() (int, error) { return 0, cause }); err != cause {
		t.Errorf("error %v, want fork's own", err)
	}
}

// 200 runs at once, each of which leaves orphans that end in the same burst.
func TestBurstOfRunsAndOrphans(t *testing.T) {
	testutil.Slow(t)
	r := newReaper(t)
	var runs sync.WaitGroup
	for i := range 200 {
		runs.Go(func() {
			code := i % 100
			spec := shell("(sleep 0.0$0 & sleep 0.02 & :) >/dev/null 2>&1; exit $0", nil)
			spec.Argv = append(spec.Argv, itoa(code))
			result, err := r.Run(context.Background(), spec)
			if err != nil || result.ExitCode != code {
				t.Errorf("run %d: %+v, %v; want exit code %d", i, result, err, code)
			}
		})
	}
	runs.Wait()
	await(t, "no child, and no zombie", func() bool { return len(children()) == 0 })
}

// A closed reaper leaves nothing behind, also where a background process still
// holds an output.
func TestCloseLeavesNothing(t *testing.T) {
	warm := process.NewReaper() // starts os/signal's own goroutine
	mustRun(t, warm, context.Background(), shell("true", nil))
	warm.Close()
	goroutines, files := runtime.NumGoroutine(), openFiles(t)

	file := t.TempDir() + "/pids"
	r := process.NewReaper()
	if err := r.Subreaper(); err != nil {
		t.Fatal(err)
	}
	for range 300 {
		mustRun(t, r, context.Background(), shell("echo line", nil))
	}
	if result := mustRun(t, r, context.Background(), shell("sleep 60 & echo $! >"+file, nil)); !result.Background {
		t.Error("Background is false")
	}
	if _, err := r.Run(context.Background(), process.Spec{Argv: []string{"/nowhere/to/be/found"}}); err == nil {
		t.Error("no error for a missing program")
	}
	r.Close()
	await(t, "as many goroutines as before", func() bool { return runtime.NumGoroutine() <= goroutines })
	if now := openFiles(t); now != files {
		t.Errorf("%d open files, before it were %d", now, files)
	}
	if _, err := r.Run(context.Background(), shell("true", nil)); !errors.Is(err, process.ErrClosed) {
		t.Errorf("error %v after Close, want ErrClosed", err)
	}
	again := newReaper(t)
	_ = again
	endAll(t, awaitPids(t, file, 1)...)
}

func openFiles(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
