package process_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/process"
)

const timeout = 300 * time.Millisecond

// within checks that a run took at least its timeout, and not as long as what
// hung would have.
func within(t testing.TB, what string, took, least time.Duration) {
	t.Helper()
	if took < least || took > least+5*time.Second {
		t.Errorf("%s: it took %v, want a bit more than %v", what, took, least)
	}
}

// A killed leader leaves its children holding the pipe: a run ends all the same.
func TestTimeoutDoesNotWaitForThePipe(t *testing.T) {
	r := newReaper(t)
	began := time.Now()
	got := runFor(t, r, timeout, shell("sleep 30 & wait", nil))
	within(t, "run", time.Since(began), timeout)
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
			within(t, "run", time.Since(began), timeout)
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
	const killAfter = 700 * time.Millisecond
	for _, c := range []struct {
		name, script string
		least        time.Duration
		sent         process.Sent
	}{
		{"obeys", "exec sleep 60", timeout, process.Sent{Term: 1}},
		{"cleans up first", "trap 'sleep 0.3; exit 9' TERM; while :; do sleep 0.01; done", timeout + timeout, process.Sent{Term: 1}},
		{"ignores", "trap '' TERM; while :; do sleep 0.01; done", timeout + killAfter, process.Sent{Term: 1, Kill: 2}},
		{"child in the group ignores", "sh -c 'trap \"\" TERM; while :; do sleep 0.01; done' & wait", timeout + killAfter, process.Sent{Term: 1, Kill: 2}},
	} {
		spec := shell(c.script, nil)
		spec.KillAfter = killAfter
		began := time.Now()
		got := runFor(t, r, timeout, spec)
		took := time.Since(began)
		within(t, c.name, took, c.least)
		if c.sent.Kill == 0 && took >= timeout+killAfter {
			t.Errorf("%s: it took %v, though nobody was to be killed", c.name, took)
		}
		// The loop's "sleep 0.01" is there at most moments, not at all.
		if got.Sent.Term != 1 || got.Sent.Kill > c.sent.Kill || (got.Sent.Kill > 0) != (c.sent.Kill > 0) {
			t.Errorf("%s: sent %+v, want %+v", c.name, got.Sent, c.sent)
		}
		if c.name == "cleans up first" && (got.ExitCode != 9 || got.Stopped != process.TimedOut) {
			t.Errorf("%+v, want code 9 and timed out", got)
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
	got := mustRun(t, r, ctx, spec)
	if got.Stopped != process.Interrupted || got.ExitCode != 4 || got.Duration > 5*time.Second {
		t.Errorf("%+v, want interrupted with 4", got)
	}
	if !strings.Contains(l.text(), "stdout: ready") || !strings.Contains(l.text(), "stdout: bye") {
		t.Errorf("lines %q: those printed on SIGTERM count", l.text())
	}
}

// Neither a timed-out run's neighbours, nor what earlier ones left, may suffer.
func TestTimeoutSparesOthers(t *testing.T) {
	r := newReaper(t)
	dir := t.TempDir()
	left := func(name, script string) int {
		spec := shell(script, nil)
		spec.Env = append(spec.Env, "P="+dir+"/"+name)
		if got := mustRun(t, r, context.Background(), spec); got.ExitCode != 0 {
			t.Fatalf("%s: %+v", name, got)
		}
		return awaitPids(t, dir+"/"+name, 1)[0]
	}
	spared := map[string]int{
		"background":       left("a", "sleep 60 & echo $! >$P"),
		"quiet background": left("b", "sleep 60 >/dev/null 2>&1 & echo $! >$P"),
		"daemon":           left("c", "setsid sh -c 'echo $$ >$P; exec sleep 60' >/dev/null 2>&1 &"),
		"bare daemon":      left("d", "(env -i P=$P setsid sh -c 'echo $$ >$P; exec sleep 60' >/dev/null 2>&1 &); while [ ! -s $P ]; do sleep 0.01; done"),
		// Its later children are orphaned, without environment, in its session.
		"daemon's worker": 0,
	}
	forker := left("e", "(env -i P=$P D="+dir+" setsid sh -c 'echo $$ >$P; while [ ! -e $D/go ]; do sleep 0.01; done; "+
		"(sh -c \"echo \\$\\$ >$D/worker; exec sleep 60\" &); exec sleep 60' >/dev/null 2>&1 &); while [ ! -s $P ]; do sleep 0.01; done")

	var neighbour sync.WaitGroup
	neighbour.Go(func() {
		spec := shell("echo $$ >$P; (env -i setsid sleep 2 >/dev/null 2>&1 &); sleep 2; echo survived", nil)
		var l lines
		spec.OnLine = l.add
		spec.Env = append(spec.Env, "P="+dir+"/n")
		got, err := r.Run(context.Background(), spec)
		if err != nil || got.ExitCode != 0 || l.text() != "stdout: survived" {
			t.Errorf("neighbour: %+v, %v, %q", got, err, l.text())
		}
	})
	awaitPids(t, dir+"/n", 1)
	runFor(t, r, timeout, shell("setsid sleep 60 & sleep 60", nil)) // beside the neighbour
	neighbour.Wait()

	spec := shell("touch "+dir+"/go; sleep 60", nil)
	got := runFor(t, r, timeout, spec) // alone
	if got.Stopped != process.TimedOut {
		t.Errorf("%+v", got)
	}
	spared["daemon's worker"] = awaitPids(t, dir+"/worker", 1)[0]
	for name, pid := range spared {
		if !alive(pid) {
			t.Errorf("%s (%d) was killed", name, pid)
		}
		endAll(t, pid)
	}
	endAll(t, forker)
}

// An orphan is told by its marks, also when a neighbour ended meanwhile.
func TestNeighboursEndDoesNotSaveAStray(t *testing.T) {
	r := newReaper(t)
	file := t.TempDir() + "/pid"
	var run sync.WaitGroup
	run.Go(func() {
		spec := shell("(setsid sh -c 'echo $$ >$P; exec sleep 60' >/dev/null 2>&1 &); sleep 60", nil)
		spec.Env = append(spec.Env, "P="+file)
		if got := runFor(t, r, timeout, spec); got.Stopped != process.TimedOut {
			t.Errorf("%+v", got)
		}
	})
	pid := awaitPids(t, file, 1)[0]
	mustRun(t, r, context.Background(), shell("true", nil))
	run.Wait()
	if alive(pid) {
		t.Errorf("process %d lives", pid)
		endAll(t, pid)
	}
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
	within(t, "run", time.Since(began), timeout+spec.KillAfter)
	if pid := awaitPids(t, file, 1)[0]; got.Stopped != process.TimedOut || got.Survivors != 0 || alive(pid) {
		t.Errorf("%+v, stray alive: %v", got, alive(pid))
	}
}

// A failed run is over: what it left in the background is not podhook's to end.
func TestFailureLeavesTheBackgroundAlone(t *testing.T) {
	r := newReaper(t)
	file := t.TempDir() + "/pid"
	got := mustRun(t, r, context.Background(), shell("sleep 60 & echo $! >"+file+"; exit 1", nil))
	pid := awaitPids(t, file, 1)[0]
	if got.ExitCode != 1 || !alive(pid) {
		t.Errorf("%+v; the background process lives: %v", got, alive(pid))
	}
	endAll(t, pid)
}

// A chain in which each process starts the next in a session of its own, and
// exits, never shows the same pid twice.
func TestHydra(t *testing.T) {
	r := newReaper(t)
	dir := t.TempDir()
	script := filepath.Join(dir, "hydra")
	text := "#!/bin/sh\n[ \"$1\" -gt 0 ] || exit\necho $1 >" + dir + "/generation\nsetsid \"$0\" $(($1 - 1)) &\n"
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	spec := shell("$0 4000; sleep 60", nil)
	spec.Argv = append(spec.Argv, script)
	began := time.Now()
	got := runFor(t, r, timeout, spec)
	within(t, "run", time.Since(began), timeout)
	if got.Survivors != 0 {
		t.Errorf("%+v", got)
	}
	last, _ := os.ReadFile(dir + "/generation")
	if strings.TrimSpace(string(last)) == "1" {
		t.Skip("the chain came to its own end first")
	}
	time.Sleep(50 * time.Millisecond) // as long as some ten generations take
	if now, _ := os.ReadFile(dir + "/generation"); string(now) != string(last) {
		t.Errorf("generation %q came after %q", now, last)
	}
}

// What a killed worker leaves falls to the front, which ends it.
func TestKillDescendants(t *testing.T) {
	dir := t.TempDir()
	r := newReaper(t)
	pid, exited, err := r.Start(func() (int, error) {
		return syscall.ForkExec(testBinary(t), []string{"worker"}, &syscall.ProcAttr{
			Env:   append(os.Environ(), helperVariable+"=worker", "P="+dir+"/pids"),
			Files: []uintptr{0, 1, 2},
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	pids := awaitPids(t, dir+"/pids", 3)
	syscall.Kill(pid, syscall.SIGKILL)
	<-exited
	if left := r.KillDescendants(os.Getpid()); left != 0 {
		t.Errorf("%d are left", left)
	}
	for _, pid := range pids {
		if alive(pid) {
			t.Errorf("process %d lives", pid)
		}
	}
	await(t, "no zombie is left", func() bool { return len(children()) == 0 })
}

func helpWorker() error {
	r := process.NewReaper()
	if err := r.Subreaper(); err != nil {
		return err
	}
	_, err := r.Run(context.Background(), shell("trap '' TERM; echo $$ >>$P; sleep 60 & "+
		"setsid sh -c 'echo $$ >>$P; exec sleep 60' & (env -i P=$P setsid sh -c 'echo $$ >>$P; exec sleep 60' &); sleep 60", nil))
	return err
}

// The leader of a step dies with podhook, even where nobody else sees to it.
func TestLeaderDiesWithPodhook(t *testing.T) {
	dir := t.TempDir()
	r := newReaper(t)
	pid, exited, err := r.Start(func() (int, error) {
		return syscall.ForkExec(testBinary(t), []string{"worker"}, &syscall.ProcAttr{
			Env:   append(os.Environ(), helperVariable+"=worker", "P="+dir+"/pids"),
			Files: []uintptr{0, 1, 2},
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	leader := awaitPids(t, dir+"/pids", 3)[0]
	group, err := syscall.Getpgid(leader)
	if err != nil {
		t.Fatal(err)
	}
	syscall.Kill(pid, syscall.SIGKILL)
	<-exited
	await(t, "the leader is dead", func() bool { return !alive(group) })
	r.KillDescendants(os.Getpid())
}

// newNamespaces needs root, or user namespaces.
func newNamespaces() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}
}

func TestAsPID1(t *testing.T) {
	if out := startHelper(t, "pid1", newNamespaces()); out != "" {
		t.Error(out)
	}
}

func helpPID1() error {
	if os.Getpid() != 1 {
		return fmt.Errorf("pid %d, want 1", os.Getpid())
	}
	if err := ownProc("proc"); err != nil {
		return err
	}
	r := process.NewReaper()
	defer r.Close()
	// Somebody's orphan, as an exec into the container leaves them.
	if err := orphan(r, "exec setsid sleep 61"); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	began := time.Now()
	got, err := r.Run(ctx, shell("env -i setsid sleep 60 & (setsid sleep 60 &); (env -i setsid sleep 60 &);"+
		"(setsid sleep 60 >/dev/null 2>&1 &); trap '' TERM; (env -i setsid sleep 61 >/dev/null 2>&1 &); sleep 60; sleep 60", nil))
	if err != nil || got.Stopped != process.TimedOut || got.Survivors != 0 || time.Since(began) > 5*time.Second {
		return fmt.Errorf("%+v, %v after %v", got, err, time.Since(began))
	}
	// The stray that gave up everything cannot be told from the orphan.
	if n := sleepers(); n != 2 {
		return fmt.Errorf("%d processes are left, want the 2 orphans", n)
	}
	return nil
}

// orphan starts a script whose process is a child of nobody but PID 1.
func orphan(r *process.Reaper, script string) error {
	_, exited, err := r.Start(func() (int, error) {
		return syscall.ForkExec(shellPath, []string{"sh", "-c", "env -i sh -c '" + script + "' & exit 0"},
			&syscall.ProcAttr{Files: []uintptr{0, 1, 2}, Env: os.Environ()})
	})
	if err == nil {
		<-exited
	}
	return err
}

// ownProc mounts a file system over /proc, for this process's mounts alone.
func ownProc(kind string) error {
	if err := syscall.Mount("", "/", "", syscall.MS_PRIVATE|syscall.MS_REC, ""); err != nil {
		return err
	}
	return syscall.Mount(kind, "/proc", kind, 0, "")
}

// sleepers counts our children that are no zombies.
func sleepers() (n int) {
	for _, pid := range children() {
		if alive(pid) {
			n++
		}
	}
	return n
}

func TestWithoutProc(t *testing.T) {
	if out := startHelper(t, "noproc", newNamespaces()); out != "" {
		t.Error(out)
	}
}

// Without /proc a run still ends, and its whole group with it. The same where
// /proc is that of an outer namespace, whose pids are not ours.
func helpNoProc() error {
	r := process.NewReaper()
	defer r.Close()
	for _, kind := range []string{"outer", "tmpfs"} {
		if kind == "tmpfs" {
			if err := ownProc(kind); err != nil {
				return err
			}
		}
		got, err := r.Run(context.Background(), shell("exit 5", nil))
		if err != nil || got.ExitCode != 5 {
			return fmt.Errorf("%s: %+v, %v", kind, got, err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		began := time.Now()
		got, err = r.Run(ctx, shell("trap '' TERM; sleep 60 & sleep 60; sleep 60", nil))
		took := time.Since(began)
		if err != nil || got.Stopped != process.TimedOut || got.Signal != syscall.SIGKILL || got.Background {
			return fmt.Errorf("%s: %+v, %v", kind, got, err)
		}
		if took < timeout || took > 5*time.Second || got.Sent != (process.Sent{Term: 1, Kill: 1}) {
			return fmt.Errorf("%s: %+v after %v", kind, got, took)
		}
	}
	return nil
}
