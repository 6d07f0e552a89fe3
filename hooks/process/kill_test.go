package process_test

import (
	"context"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/process"
	"github.com/podhook/podhook/hooks/procfs"
	"github.com/podhook/podhook/internal/testutil"
)

const timeout = 300 * time.Millisecond

// A killed leader leaves its children holding the pipe: a run ends all the same.
func TestTimeoutDoesNotWaitForThePipe(t *testing.T) {
	r := newReaper(t)
	began := time.Now()
	got := runFor(t, r, timeout, shell("sleep 30 & wait", nil))
	testutil.Within(t, time.Since(began), timeout, timeout+5*time.Second)
	if got.Stopped != process.TimedOut || got.Signal != syscall.SIGTERM || got.ExitCode != 143 {
		t.Errorf("%+v, want timed out, ended by SIGTERM", got)
	}
	if got.Background || got.Survivors != 0 || got.Sent != (process.Sent{Term: 1}) {
		t.Errorf("%+v, want nothing left, and SIGTERM alone", got)
	}
}

// Whatever a process does to get away, it does not survive a timeout.
func TestNothingSurvivesATimeout(t *testing.T) {
	for _, c := range []struct {
		name, script string // P is the file that takes the pids
		pids         int
	}{
		{"child", "sleep 60 & echo $! >>$P; wait", 1},
		{"ignores SIGTERM", "trap '' TERM; echo $$ >>$P; sleep 60; sleep 60", 1},
		{"whole group ignores SIGTERM", "trap '' TERM; sh -c 'echo $$ >>$P; sleep 60; sleep 60' & wait", 1},
		{"stopped", "sh -c 'echo $$ >>$P; kill -STOP $$; sleep 60' & echo $$ >>$P; kill -STOP $$", 2},
		{"stopped and ignoring", "trap '' TERM; sh -c 'echo $$ >>$P; kill -STOP $$; kill -STOP $$; sleep 60' & wait", 1},
		{"own session", "setsid sh -c 'echo $$ >>$P; exec sleep 60' & wait", 1},
		{"own session, orphaned", "(setsid sh -c 'echo $$ >>$P; exec sleep 60' &); sleep 60", 1},
		{"double fork", "setsid sh -c '(echo $$ >>$P; trap \"\" TERM; sleep 60 & echo $! >>$P; wait) >/dev/null 2>&1 </dev/null &'; sleep 60", 2},
		{"without environment", "env -i P=$P setsid sh -c 'echo $$ >>$P; exec sleep 60 >/dev/null 2>&1' & wait", 1},
		{"without environment, orphaned, pipe held", "(env -i P=$P setsid sh -c 'echo $$ >>$P; exec sleep 60' &); sleep 60", 1},
		{"without environment, orphaned, no pipe", "(env -i P=$P setsid sh -c 'echo $$ >>$P; exec sleep 60' >/dev/null 2>&1 &); sleep 60", 1},
		{"without environment, orphaned, with children", "(env -i P=$P setsid sh -c 'setsid sleep 60 & echo $! $$ >>$P; wait' >/dev/null 2>&1 &); sleep 60", 2},
		{"leader gone at SIGTERM, strays stay", "trap 'exit 0' TERM; (setsid sh -c 'trap \"\" TERM; echo $$ >>$P; sleep 60' &); while :; do sleep 0.01; done", 1},
		{"made at SIGTERM", "trap 'setsid sleep 60 & echo $! >>$P; exit 0' TERM; while :; do sleep 0.01; done", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newReaper(t)
			file := t.TempDir() + "/pids"
			spec := shell(c.script, nil)
			spec.Env = append(spec.Env, "P="+file)
			began := time.Now()
			got := runFor(t, r, timeout, spec)
			testutil.Within(t, time.Since(began), timeout, timeout+5*time.Second)
			if got.Stopped != process.TimedOut || got.Survivors != 0 || got.Background {
				t.Errorf("%+v", got)
			}
			pids := awaitPids(t, file, c.pids)
			for _, pid := range pids {
				if alive(pid) {
					t.Errorf("process %d lives", pid)
				}
			}
			endAll(t, pids...)
			await(t, "no zombie is left", func() bool { return len(children()) == 0 })
		})
	}
}

// The time between the signals is there for who needs it, and for nobody else.
func TestKillAfter(t *testing.T) {
	r := newReaper(t)
	const killAfter = 1500 * time.Millisecond
	for _, c := range []struct {
		name, script string
		least        time.Duration
		sent         process.Sent
	}{
		{"obeys", "exec sleep 60", timeout, process.Sent{Term: 1}},
		{"cleans up first", "trap 'sleep 0.3; exit 9' TERM; while :; do sleep 0.01; done", timeout + timeout, process.Sent{Term: 1}},
		{"ignores", "trap '' TERM; while :; do sleep 0.01; done", timeout + killAfter, process.Sent{Term: 1, Kill: 3}},
		{"child in the group ignores", "sh -c 'trap \"\" TERM; while :; do sleep 0.01; done' & wait", timeout + killAfter, process.Sent{Term: 1, Kill: 3}},
	} {
		spec := shell(c.script, nil)
		spec.KillAfter = killAfter
		began := time.Now()
		got := runFor(t, r, timeout, spec)
		took := time.Since(began)
		testutil.Within(t, took, c.least, c.least+5*time.Second)
		if c.sent.Kill == 0 && took >= timeout+killAfter {
			t.Errorf("%s: it took %v, though nobody was to be killed", c.name, took)
		}
		// The loop's "sleep 0.01" is there at most moments, and the next one may come as well.
		if got.Sent.Term != 1 || got.Sent.Kill > c.sent.Kill || (got.Sent.Kill > 0) != (c.sent.Kill > 0) {
			t.Errorf("%s: sent %+v, want %+v", c.name, got.Sent, c.sent)
		}
		if c.name == "cleans up first" && (got.ExitCode != 9 || got.Stopped != process.TimedOut) {
			t.Errorf("%+v, want code 9 and timed out", got)
		}
	}
}

// A stopped process can act on SIGTERM only when it goes on.
func TestStoppedProcessHasItsTimeToEnd(t *testing.T) {
	r := newReaper(t)
	file := t.TempDir() + "/pid"
	spec := shell("trap 'exit 9' TERM; echo $$ >$P; kill -STOP $$; sleep 60", nil)
	spec.Env = append(spec.Env, "P="+file)
	spec.KillAfter = 20 * time.Second
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		for pid := awaitPids(t, file, 1)[0]; stateOf(pid) != "T"; {
			time.Sleep(2 * time.Millisecond)
		}
	}()
	began := time.Now()
	got := mustRun(t, r, ctx, spec)
	if got.ExitCode != 9 || got.Sent != (process.Sent{Term: 1}) || time.Since(began) >= spec.KillAfter {
		t.Errorf("%+v, want it to have ended by itself with code 9", got)
	}
}

// A PID is used again: only the process that was found is signalled.
func TestSignalComparesTheStart(t *testing.T) {
	r := newReaper(t)
	for _, pidfd := range []bool{true, false} {
		if !pidfd {
			r.WithoutPidfd()
		}
		pid, exited, err := r.Start(func() (int, error) {
			return syscall.ForkExec(shellPath, []string{"sh", "-c", "exec sleep 60"}, &syscall.ProcAttr{Env: os.Environ()})
		})
		if err != nil {
			t.Fatal(err)
		}
		stat, err := procfs.Proc.Stat(pid)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.SignalProcess(pid, stat.Start-1, syscall.SIGKILL); err != syscall.ESRCH {
			t.Errorf("pidfd %v: %v for a process that started earlier, want ESRCH", pidfd, err)
		}
		time.Sleep(20 * time.Millisecond) // a signal would have come by then
		select {
		case <-exited:
			t.Errorf("pidfd %v: the other process of that PID was killed", pidfd)
			continue
		default:
		}
		if err := r.SignalProcess(pid, stat.Start, syscall.SIGKILL); err != nil {
			t.Errorf("pidfd %v: %v", pidfd, err)
		}
		if exit := <-exited; exit.Signal() != syscall.SIGKILL {
			t.Errorf("pidfd %v: %v", pidfd, exit)
		}
	}
}

func TestInterrupted(t *testing.T) {
	r := newReaper(t)
	ctx, cancel := context.WithCancel(context.Background())
	var l lines
	spec := shell("trap 'echo bye; exit 4' TERM; echo ready; while :; do sleep 0.01; done", nil)
	spec.OnLine = func(line process.Line) {
		l.add(line)
		cancel()
	}
	began := time.Now()
	got := mustRun(t, r, ctx, spec)
	if got.Stopped != process.Interrupted || got.ExitCode != 4 || time.Since(began) > 5*time.Second {
		t.Errorf("%+v, want interrupted with 4", got)
	}
	if !strings.Contains(l.text(), "stdout: ready") || !strings.Contains(l.text(), "stdout: bye") {
		t.Errorf("lines %q: those printed on SIGTERM count", l.text())
	}
}

// A process whose first thread has ended shows as a zombie, and is none.
func TestKillsWhatOnlyLooksLikeAZombie(t *testing.T) {
	r := newReaper(t)
	file := t.TempDir() + "/pids"
	spec := shell("setsid $B & echo $! >>$P; sleep 60", nil)
	spec.Env = append(spec.Env, "P="+file, "B="+testBinary(t), helperVariable+"=leaderless")
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		for pid := awaitPids(t, file, 1)[0]; stateOf(pid) != "Z"; {
			time.Sleep(2 * time.Millisecond)
		}
	}()
	got := mustRun(t, r, ctx, spec)
	pid := awaitPids(t, file, 1)[0]
	if left, err := procfs.Proc.Stat(pid); err == nil && left.Threads > 1 || got.Survivors != 0 {
		t.Errorf("%+v is left by %+v", left, got)
		endAll(t, pid)
	}
}

func helpLeaderless() error {
	go leaveFirstThread()
	time.Sleep(time.Minute)
	return nil
}

func leaveFirstThread() {
	runtime.LockOSThread()
	if syscall.Gettid() != os.Getpid() {
		go leaveFirstThread() // this thread is taken now: try the next one
		select {}
	}
	syscall.RawSyscall(syscall.SYS_EXIT, 0, 0, 0)
}

// Old kernels and some sandboxes have no pidfds: SIGCHLD and pids must do.
func TestWithoutPidfds(t *testing.T) {
	r := newReaper(t)
	r.WithoutPidfd()
	for code := range 50 {
		if got := mustRun(t, r, context.Background(), shell("exit "+itoa(code), nil)); got.ExitCode != code {
			t.Errorf("%+v, want %d", got, code)
		}
	}
	file := t.TempDir() + "/pids"
	spec := shell("trap '' TERM; (setsid sh -c 'echo $$ >$P; exec sleep 60' &); sleep 60; sleep 60", nil)
	spec.Env = append(spec.Env, "P="+file)
	began := time.Now()
	got := runFor(t, r, timeout, spec)
	testutil.Within(t, time.Since(began), timeout+spec.KillAfter, timeout+spec.KillAfter+5*time.Second)
	if pid := awaitPids(t, file, 1)[0]; got.Stopped != process.TimedOut || got.Survivors != 0 || alive(pid) {
		t.Errorf("%+v, stray alive: %v", got, alive(pid))
	}
}

// A chain in which each process starts the next and exits never shows the same
// pid twice, whether each has a session of its own or all have one.
func TestHydra(t *testing.T) {
	testutil.Slow(t)
	for name, script := range map[string]string{
		"sessions":    `[ "$1" -gt 0 ] || exit; echo $1 >$G; setsid sh $0 $(($1 - 1)) &`,
		"one session": `f() { [ $1 -gt 0 ] || exit; echo $1 >$G; f $(($1 - 1)) & }; f $1`,
	} {
		t.Run(name, func(t *testing.T) {
			r := newReaper(t)
			dir := t.TempDir()
			write(t, dir+"/hydra", script, 0o600)
			spec := shell("setsid sh $0 20000; sleep 60", nil)
			spec.Argv = append(spec.Argv, dir+"/hydra")
			spec.Env = append(spec.Env, "G="+dir+"/generation")
			began := time.Now()
			got := runFor(t, r, timeout, spec)
			testutil.Within(t, time.Since(began), timeout, timeout+5*time.Second)
			if got.Survivors != 0 {
				t.Errorf("%+v", got)
			}
			last, err := os.ReadFile(dir + "/generation")
			if err != nil || string(last) == "1\n" {
				t.Fatalf("the chain came to its own end, at %q (%v)", last, err)
			}
			time.Sleep(50 * time.Millisecond) // as long as some ten generations take
			if now, _ := os.ReadFile(dir + "/generation"); string(now) != string(last) {
				t.Errorf("generation %q came after %q", now, last)
			}
		})
	}
}
